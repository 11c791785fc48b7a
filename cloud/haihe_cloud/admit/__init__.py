"""Who may speak: the registry of stations and their keys."""
