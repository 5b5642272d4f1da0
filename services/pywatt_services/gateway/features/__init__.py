"""Exchanges of single routes that do more than pass a request on."""
