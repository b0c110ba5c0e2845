"""The version of the package, and that of the forms that its results have as JSON."""

__version__ = "0.1.0"

SCHEMA_VERSION = 1
"""Of every JSON form but a record's, which has its own."""
