"""`pywatt profile`: where a worker spends its time, or what holds its memory."""
