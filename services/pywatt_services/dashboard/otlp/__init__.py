"""Reads what OpenTelemetry SDKs send by OTLP, as protobuf and as JSON."""
