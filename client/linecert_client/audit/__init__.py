"""Verifying the transparency log, as one who does not trust the service.

- `log_file`: the file that `linecert export --format log` writes.
- `offline`: such a file, against the log's key and checkpoints kept elsewhere.
- `online`: the running service, against the checkpoint that was seen last (`memory`).
- `leaves`, `quick`, `tree`: leaves against certificates, and the Merkle tree over them, in parallel chunks.
- `epochs`: what a log may say when its key changed or its database was restored.
- `findings`: what a verification reports.
"""
