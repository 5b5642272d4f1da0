"""From HTTP requests to records."""
