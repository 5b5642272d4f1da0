"""Delivers records to webhooks: attempts, their order, retries, dead letters."""
