"""Version 1 of the contract: generated stubs, made by `make proto`."""
