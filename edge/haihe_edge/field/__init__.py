"""What people do at a station: plan a bus, ask and set an instrument, look into a journal, prove a profile, restore."""
