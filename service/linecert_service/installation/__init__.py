"""What a working installation consists of: its keys, its certificates, its folders, and the checks before a start."""
