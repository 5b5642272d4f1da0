"""Interprets the words after a command: apps, services, folders."""
