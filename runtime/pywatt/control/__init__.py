"""The control API of a running app, served by a worker of its own, and its client for the command line."""
