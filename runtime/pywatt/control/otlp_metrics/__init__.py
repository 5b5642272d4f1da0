"""Sends the metrics of the app by OTLP."""
