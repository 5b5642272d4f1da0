"""The choice of a cluster: options, variables, and the apps that run."""
