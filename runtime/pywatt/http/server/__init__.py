"""The server side of HTTP/1.1: connections, their limits, and the responses that pywatt itself gives."""
