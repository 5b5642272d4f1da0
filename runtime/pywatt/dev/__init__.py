"""`pywatt dev`: new code on every save, one service at a time, without a failed request."""
