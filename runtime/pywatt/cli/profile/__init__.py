"""`pywatt profile`: where a worker spends its time."""
