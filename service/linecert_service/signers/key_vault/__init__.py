"""CA keys in Azure Key Vault. Needs the extra `keyvault`: import it only where the settings name such a key."""
