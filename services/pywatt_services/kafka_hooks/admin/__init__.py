"""Serves those who run the app: metrics, lag explanation, dead letters."""
