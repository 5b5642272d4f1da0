"""Selection of kept log records: by time, and by what is in them."""
