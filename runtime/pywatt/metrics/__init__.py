"""Metrics: the table of families, values that outlive a killed worker, their sums, and the formats of Prometheus."""
