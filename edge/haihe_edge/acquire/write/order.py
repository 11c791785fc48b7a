"""Commands of a profile, which a person sends by name: steps in order, none of them twice.

Off unless two people agreed: who wrote the profile (``commands``) and who wrote the site file (``commands: [name]``
at the instrument). Whether a command that brought no answer was carried out is not known, so nothing is sent again.
"""

from collections.abc import Sequence
from typing import NamedTuple

from haihe_contract.clock import Clock
from haihe_contract.document import near
from haihe_contract.errors import FieldError

from haihe_edge.acquire.exchange import ExchangeError
from haihe_edge.acquire.modbus.frames import ACKNOWLEDGE, Ask, Refused, Unsent, Write
from haihe_edge.acquire.modbus.recipe import command
from haihe_edge.profile import Command, ModbusProfile, Send
from haihe_edge.site import Instrument

from .setting import NotObeyed


class Order(NamedTuple):
    """A command that may be sent, ready to be sent.

    Args:
        instrument: name.
        unit: its address.
        command: of the profile.
    """

    instrument: str
    unit: int
    command: Command

    @property
    def where(self) -> str:
        """For people."""
        return f"instrument {self.instrument}, command {self.command.name}"

    @property
    def told(self) -> dict[str, object]:
        """For the record of it: the steps, when it is obeyed, and the counters that it clears."""
        sends = [said(step.send) for step in self.command.steps if step.send]
        clears = {"clears": list(self.command.clears)} if self.command.clears else {}
        return {"steps": sends, "effective": self.command.effective, **clears}


class Sent(NamedTuple):
    """What came of it.

    Args:
        command: of the profile.
        steps: what was sent, for people.
        answers: to each thing that was sent, ``confirmed``, or ``unanswered`` where silence is usual.
    """

    command: Command
    steps: tuple[str, ...]
    answers: tuple[str, ...]


def order(instrument: Instrument, name: str, file: str) -> Order:
    """Check everything that can be known without asking the instrument.

    Args:
        instrument: of the site.
        name: of the command.
        file: the site file, for whoever is refused.

    Raises:
        FieldError: when there is no such command, or this site does not allow it.
    """
    where = f"{file}: instrument {instrument.name}, command {name}"
    profile = instrument.profile
    known = profile.commands if isinstance(profile, ModbusProfile) else ()
    found = next((each for each in known if each.name == name), None)
    if found is None:
        names = [each.name for each in known]
        raise FieldError(
            f"{profile.profile} has no command {name!r}{near(name, names)}",
            where=where,
            do=f"one of: {', '.join(names)}" if names else "its profile declares none",
        )
    if name not in instrument.commands:
        raise FieldError(
            f"the command {name} is not enabled",
            where=where,
            do=f"if that is wanted at this station: add `commands: [{name}]` to the instrument in the site file",
        )
    for step in found.steps:
        made = command(step.send, instrument.unit) if step.send else None
        try:
            _ = made.body if isinstance(made, Write) else b""
        except ValueError as error:
            raise FieldError(
                f"the profile cannot be obeyed: {error}", where=where, do="mend `commands:` there"
            ) from None
    return Order(instrument.name, instrument.unit, found)


def said(send: Send) -> str:
    """What is sent, for people."""
    values = " ".join(f"{each:#06x}" for each in send.values) or f"{send.count} registers"
    return f"function {send.function} at {send.at:#06x}: {values}"


async def obeyed(order: Order, ask: Ask, clock: Clock) -> Sent:
    """Send the steps of a command, each once, until one is not obeyed.

    Args:
        order: from :func:`order`.
        ask: one exchange with the instrument.
        clock: for the waits.

    Raises:
        FieldError: when the first step was refused: nothing was done.
        NotObeyed: when something was sent, and a step after it was refused, or nobody knows of a step.
    """
    sends = [step.send for step in order.command.steps if step.send]
    answers: list[str] = []
    for step in order.command.steps:
        if step.wait_ms is not None:
            await clock.sleep(step.wait_ms / 1000)
        if step.send is None:
            continue
        try:
            await ask(command(step.send, order.unit))
        except Unsent as error:
            raise _stopped(order, sends, answers, "was not sent", error) from error
        except Refused as refusal:
            if refusal.code == ACKNOWLEDGE:
                answers.append("confirmed")
            elif refusal.alive:
                raise _stopped(order, sends, answers, "was refused", refusal) from refusal
            else:
                _unanswered(order, sends, answers, step.send, refusal)
        except ExchangeError as error:
            _unanswered(order, sends, answers, step.send, error)
        else:
            answers.append("confirmed")
    return Sent(order.command, tuple(map(said, sends)), tuple(answers))


def _unanswered(order: Order, sends: Sequence[Send], answers: list[str], send: Send, error: ExchangeError) -> None:
    if not send.unanswered:
        raise _stopped(order, sends, answers, "may have been obeyed or not", error) from error
    answers.append("unanswered")


def _stopped(
    order: Order, sends: Sequence[Send], answers: Sequence[str], came: str, error: ExchangeError
) -> FieldError:
    place, harmless = len(answers), came != "may have been obeyed or not"
    steps = [f"{at + 1} ({said(send)})" for at, send in enumerate(sends)]
    what = f"step {place + 1} of {len(sends)} {came}: {error}"
    told = [f"sent: {', '.join(steps[:place])}"] if place else []
    told += [f"not sent: {', '.join(steps[place + 1 :])}"] if steps[place + 1 :] else []
    if harmless and not place:
        return FieldError(what, where=order.where, do="; ".join(["nothing was done", *told]))
    told.append("look at the instrument before sending it again")
    facts = {"sent": place, "failed": "not done" if harmless else "unknown"}
    return NotObeyed(what, where=order.where, do="; ".join(told), facts=facts)
