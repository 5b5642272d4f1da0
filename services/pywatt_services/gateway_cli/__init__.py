"""`pywatt routes`: the table of a gateway's routes, and which of them takes a request."""
