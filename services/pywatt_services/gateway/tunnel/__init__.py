"""WebSocket tunnels: frames, and the way from a service to a client."""
