"""What a station must still know after a restart, or on a new card: thin shells around what the stages decide."""
