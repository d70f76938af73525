"""What all rooms of the service speak of: requests, records, typed errors and ports. Imports no other room."""
