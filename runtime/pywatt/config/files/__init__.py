"""Reads config files and parses them into documents; knows formats, not keys."""
