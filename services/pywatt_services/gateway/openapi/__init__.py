"""Composes the OpenAPI documents of services into one, and shows it."""
