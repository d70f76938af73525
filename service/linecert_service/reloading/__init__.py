"""Files that are read anew while the server runs."""
