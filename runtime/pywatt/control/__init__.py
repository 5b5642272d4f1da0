"""Talking to an app that runs: the control API in a worker of its own, and what the command line needs to reach it."""
