"""Exports: what was issued or the log itself, into files, record by record, in memory that does not grow.

- `formats`: how a record is written.
- `partial`: a file that is complete or not there, and an interrupted one that goes on.
- `folder`: PEM files, one a certificate.
"""
