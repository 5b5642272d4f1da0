"""Observation of running workers: heartbeats, probes, resource usage, stacks, start deadlocks."""
