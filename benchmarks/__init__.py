"""One script per claim; each measures every contestant in one run, on one machine, and prints ratios."""
