"""Regular expressions in configs: patterns for names of topics, and those that take too long."""
