"""What a station has missed, and filling it from the memories of instruments."""
