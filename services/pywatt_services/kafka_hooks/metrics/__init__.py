"""Counts deliveries, declares all metrics, and writes them as Prometheus text."""
