"""Regular expressions in configs: patterns for topic names, and the check against slow ones."""
