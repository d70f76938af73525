"""A double of Azure Key Vault and of Entra ID, over HTTPS, in a process of its own; `support.key_vault.double` runs it.

The service under test is not told that it talks to a double: it uses the names of the real services, and is led to the
double as it would be led out of a factory, by a proxy (HTTPS_PROXY) and a company's CA (REQUESTS_CA_BUNDLE). The proxy
ends TLS itself, with certificates for those names.
"""
