"""Commands that start, change and stop apps and services."""
