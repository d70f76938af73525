"""The issuance path: gather, plan, build, sign, verify, record, answer. See docs/issuance-cycle.md."""
