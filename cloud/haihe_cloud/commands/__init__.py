"""What people type at a centre, and how they are answered: ``cli`` reads the words, the commands here do the work."""
