"""Digital lines: tips, contacts, outputs."""
