"""Writing records."""
