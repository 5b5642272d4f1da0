"""Log records: the output of workers becomes one stream, shown pretty on a terminal, as NDJSON otherwise."""
