"""TLS of servers: certificates, their contexts and renewal, handshakes; imports nothing of `pywatt.http.server`."""
