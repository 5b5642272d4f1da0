"""Replies to the HTTP requests that kafka-hooks writes to a topic."""
