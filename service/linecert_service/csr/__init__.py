"""Judges what a CSR may be. Bytes in, a `DeviceCsr` out, or a refusal."""
