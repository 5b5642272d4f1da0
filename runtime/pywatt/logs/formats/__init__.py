"""The form of log records where users want another one than pywatt's."""
