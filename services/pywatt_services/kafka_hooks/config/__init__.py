"""Reads a service's document into frozen options."""
