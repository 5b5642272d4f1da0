"""One script per claim; each measures every party in one run, on one machine, and prints ratios."""
