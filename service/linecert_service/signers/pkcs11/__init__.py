"""A CA key in a token that speaks PKCS#11: an HSM, a smart card, SoftHSM."""
