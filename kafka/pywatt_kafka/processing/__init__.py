"""Processing of records with concurrency: order by key, progress beyond the committed offset, retries."""
