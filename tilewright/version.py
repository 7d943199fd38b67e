"""The version of the package, apart from it, so that every part can read it without importing the others."""

__version__ = "0.1.0"
