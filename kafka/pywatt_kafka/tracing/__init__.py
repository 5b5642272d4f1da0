"""Tracing of Kafka: the names of attributes by OpenTelemetry's conventions for messaging."""
