"""What people type at a centre, and how they are answered."""
