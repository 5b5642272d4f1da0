"""The client side of HTTP/1.1: pooled connections to TCP, TLS and unix addresses, and calls over them."""
