"""A student's own table: read, matched to a network's layers, and audited figure by figure."""
