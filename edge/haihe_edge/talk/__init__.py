"""How a command speaks to the person who typed it; the Chinese of all that the station's side says."""

from .talk import ASKED_WRONGLY, OK, WRONG, Talk

__all__ = ["ASKED_WRONGLY", "OK", "WRONG", "Talk"]
