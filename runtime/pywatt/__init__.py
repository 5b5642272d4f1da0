"""pywatt: compose many services into one app."""

__version__ = "0.1.0"

__all__ = ["__version__"]
