"""Results as forms: every table, document and figure, in no format."""
