"""The worker's part of `pywatt repl`: a Python prompt inside a running worker."""
