"""The centre: takes in what stations send, books it, judges it and shows it."""
