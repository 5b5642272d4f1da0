"""Spans of records: published, delivered, written to retry and dead-letter topics."""
