"""What the dispatch centre sees: JSON API, live updates, metrics and the built-in web page."""
