"""linecert's thin client."""
