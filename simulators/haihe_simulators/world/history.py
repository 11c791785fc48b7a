"""What happened in a world, short enough to be read."""

from collections.abc import Callable

SHOWN = 60


class History:
    """Lines with the hour of the world.

    Args:
        seconds: of the world, since its beginning.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._lines: list[str] = []

    def say(self, text: str) -> None:
        """Something happened."""
        at = self._seconds()
        self._lines.append(f"{int(at // 3600):02}:{int(at // 60 % 60):02}:{at % 60:06.3f}  {text}")

    def last(self, most: int = SHOWN) -> list[str]:
        """The newest lines."""
        hidden = len(self._lines) - most
        return ([f"… {hidden} lines before"] if hidden > 0 else []) + self._lines[-most:]
