"""The connection of a client to its cluster: broker addresses, status, reconnecting."""
