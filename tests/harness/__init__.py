"""Shared by several test layers: runs the installed command and talks to it."""
