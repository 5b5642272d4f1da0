"""Answers of a route itself: redirects, and files of a folder."""
