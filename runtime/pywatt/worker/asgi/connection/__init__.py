"""Shared parts of every engine's connections: time limits, backpressure, error responses."""
