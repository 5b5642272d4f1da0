"""What the connections of every engine have in common: limits, the clock, and how requests are refused."""
