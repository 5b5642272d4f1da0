"""The supervisor's decisions, pure: when to restart, scale, replace and stop, and in which order."""
