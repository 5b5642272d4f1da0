"""Translates between HTTP and Kafka: names of headers, content codings."""
