"""The built-in service types, one sub-package each; found through the entry-point group `pywatt.service_types`."""
