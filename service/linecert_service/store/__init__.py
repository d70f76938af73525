"""The audit store: every certificate a leaf of a transparency log, on SQLite or PostgreSQL."""
