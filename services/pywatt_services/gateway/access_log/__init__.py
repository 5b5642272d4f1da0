"""The access log: a line for each request, written in batches."""
