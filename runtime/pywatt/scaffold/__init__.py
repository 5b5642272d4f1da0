"""Creates apps for `pywatt create`: fills in templates and writes all files or none."""
