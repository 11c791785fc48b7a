"""Positioning receivers."""
