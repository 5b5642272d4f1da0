"""Publishes HTTP requests as records."""
