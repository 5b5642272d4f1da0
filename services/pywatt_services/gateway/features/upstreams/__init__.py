"""Features about the upstreams of a route."""
