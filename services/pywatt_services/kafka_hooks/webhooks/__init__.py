"""Rules for webhooks: the request for a record, filters, retry decisions, circuit breaker; without waiting."""
