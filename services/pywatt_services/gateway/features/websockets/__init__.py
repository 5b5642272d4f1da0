"""Features about the WebSockets of a route."""
