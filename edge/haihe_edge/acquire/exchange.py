"""An exchange on a line, whatever is spoken there: how long its characters take, and why it brought nothing. Pure."""

from haihe_contract.quality import Reason


def character_ms(baud: int, parity: str = "even", stop_bits: int = 1) -> float:
    """How long one character takes: a start bit, eight data bits, parity where there is one, stop bits."""
    return (9 + (parity != "none") + stop_bits) * 1000 / baud


class ExchangeError(Exception):
    """An exchange brought nothing.

    Args:
        reason: for the readings.
        sentence: in English, for :class:`haihe_contract.language.Words`.
        facts: what the sentence names.
    """

    def __init__(self, reason: Reason, sentence: str, **facts: object) -> None:
        super().__init__(sentence.format(**facts))
        self.reason = reason
        self.sentence = sentence
        self.facts = facts
