"""Rules for the requests and responses of a route: which requests reach the service, and with which headers."""
