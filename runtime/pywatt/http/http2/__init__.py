"""HTTP/2 in front of the server's protocols of HTTP/1.1, one for each stream."""
