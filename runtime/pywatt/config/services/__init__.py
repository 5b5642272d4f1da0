"""Turns the service entries of a root file into frozen service configurations."""
