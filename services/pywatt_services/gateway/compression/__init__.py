"""Compression of responses: which of them, in which coding, by which library."""
