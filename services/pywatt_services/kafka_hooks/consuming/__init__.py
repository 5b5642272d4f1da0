"""Reads records as a member of a group, and commits how far they are done."""
