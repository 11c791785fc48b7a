"""How good the station's time is. The agent never sets the system clock."""
