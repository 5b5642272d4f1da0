"""Prints results and errors: tables, JSON, `error:` and `fix:` lines."""
