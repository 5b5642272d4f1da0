"""The dashboard: one page about a running app, and its HTTP API. The control worker imports it when it is wanted."""
