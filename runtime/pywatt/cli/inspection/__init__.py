"""Commands that examine a running app, or the log of one that has ended."""
