"""Tracing: W3C trace context without OpenTelemetry, and spans by its SDK where that is installed and configured."""
