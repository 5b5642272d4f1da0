"""Recording of the stacks of running workers, for `pywatt profile` and the dashboard."""
