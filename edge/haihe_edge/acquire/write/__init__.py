"""What people have done to instruments: points that are set, commands that are sent."""
