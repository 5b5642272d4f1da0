"""Plain HTTP/1.1 requests and response heads, read and written from caches (docs/adr/0007)."""
