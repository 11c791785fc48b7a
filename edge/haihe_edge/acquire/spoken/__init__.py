"""Instruments that speak text or SDI-12."""
