"""Profiles that somebody starts and sees in the dashboard."""
