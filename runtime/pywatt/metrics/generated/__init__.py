"""Writes documents from the table of metrics: its page in the docs, a dashboard of Grafana, alert rules."""
