"""When an output is on, decided without any chip."""

from haihe_edge.acquire.digital.switches import Switches
from haihe_edge.site import Output, OutputLine


def output(name: str, follows: str, **more: object) -> Output:
    line = OutputLine(name, "1", follows, **more)  # type: ignore[arg-type]
    return Output(line, 60_000, dict.fromkeys(line.instruments, 500))


def test_a_supply_is_on_as_long_as_anybody_needs_it() -> None:
    switches = Switches([output("supply", "power", instruments=("a", "b"))])
    assert switches.wanted(0) == {"supply": False}
    switches.need("supply", "a", 100)
    switches.need("supply", "b", 300)
    assert switches.fed_since("supply") == 100
    switches.release("supply", "a")
    assert switches.wanted(400) == {"supply": True}
    switches.release("supply", "b")
    assert switches.wanted(500) == {"supply": False}
    assert switches.fed_since("supply") is None


def test_after_the_chip_was_gone_everybody_warms_up_again() -> None:
    switches = Switches([output("supply", "power", instruments=("a",))])
    switches.need("supply", "a", 100)
    switches.lost()
    assert switches.fed_since("supply") is None
    switches.back(5000)
    assert switches.fed_since("supply") == 5000


def test_a_siren_falls_silent_and_sounds_again_only_for_a_new_crossing() -> None:
    switches = Switches([output("siren", "guarantee"), output("lamp", "running")])
    switches.run()
    switches.levels({"guarantee"}, 1000)
    assert switches.wanted(1000) == {"siren": True, "lamp": True}
    assert switches.due_ms(1000) == 61_000
    switches.levels({"guarantee", "warning"}, 50_000)
    assert switches.wanted(61_000) == {"siren": False, "lamp": True}
    assert switches.due_ms(61_000) is None
    switches.levels(set(), 70_000)
    switches.levels({"guarantee"}, 80_000)
    assert switches.wanted(80_000)["siren"]
