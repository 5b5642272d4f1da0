"""Counts a gateway's requests, where the app has metrics."""
