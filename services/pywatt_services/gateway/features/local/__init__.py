"""Features of routes that the gateway answers itself."""
