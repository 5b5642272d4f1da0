"""Recordings: what a dashboard has seen as one file, and a dashboard that shows such a file without the app."""
