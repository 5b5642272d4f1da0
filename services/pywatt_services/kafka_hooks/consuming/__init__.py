"""Reads records as a member of a group, and commits their offsets."""
