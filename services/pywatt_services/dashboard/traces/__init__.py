"""The traces that services send: a receiver of OTLP over HTTP, and a store of bounded size."""
