"""Exchanges that log, compress or cache the responses that they pass on."""
