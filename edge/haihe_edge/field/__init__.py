"""What people do with profiles: look at them, check them, prove them on frames and on the instrument itself."""
