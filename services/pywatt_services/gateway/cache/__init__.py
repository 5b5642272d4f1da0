"""The response cache: RFC 9111 as pure decisions, and the store that all workers share."""
