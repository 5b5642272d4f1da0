"""Collects problems and warnings, with the line of each and a hint."""
