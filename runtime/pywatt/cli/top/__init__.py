"""`pywatt top`: services with rates, latency, lag, memory and CPU, and the last errors, live in the terminal."""
