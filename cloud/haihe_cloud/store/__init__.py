"""Where series live: one port, one suite of promises, several engines."""
