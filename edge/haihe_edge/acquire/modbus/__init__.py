"""Instruments that speak Modbus: which registers are asked, in which frames, and what they mean."""
