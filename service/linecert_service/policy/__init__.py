"""Who may ask for what: stations and their rights, limits."""
