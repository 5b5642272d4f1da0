"""The service's own HTTP server: clients' connections, their requests, and what is answered."""
