"""Kafka brokers for development: one in memory, and the real one without Docker."""
