"""From a message to a receipt: judge, store, book, state. In that order, so that a crash only repeats."""
