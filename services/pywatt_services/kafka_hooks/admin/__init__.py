"""Serves operators: metrics, lag explanation, dead letters."""
