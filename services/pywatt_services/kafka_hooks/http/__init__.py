"""Serves HTTP: connections of clients, their requests, the responses; and calls peer workers."""
