"""Readers of partitions that belong to no consumer group."""
