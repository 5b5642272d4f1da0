"""HTTP/1.1 without I/O: what httptools leaves to its users, for both sides of an exchange."""
