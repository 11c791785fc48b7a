"""Numbered SQL files: one step of the schema each, run once and in order."""
