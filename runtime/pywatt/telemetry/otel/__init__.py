"""Parts of OpenTelemetry's SDK that a worker replaces by its own."""
