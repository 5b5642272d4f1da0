"""Admits HTTP clients with an API key or a token."""
