"""HTTP/1.1 messages without I/O: the grammar and the rules that httptools leaves to its users.

`server` and `client` hold the two ends of a connection.
"""
