"""Log lines: what workers print becomes one stream of records, shown pretty on a terminal, as NDJSON otherwise."""
