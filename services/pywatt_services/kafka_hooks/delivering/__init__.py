"""From records to webhooks: attempts, their order, and what becomes of what no target takes."""
