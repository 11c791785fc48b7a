"""A command is sent only where profile and site allow it, its steps in order, and none of them twice."""

import asyncio
from pathlib import Path

import pytest
from haihe_contract.document import DocumentError
from haihe_contract.errors import FieldError
from haihe_edge.acquire.write.setting import NotObeyed
from haihe_edge.site import load_site

from tests.edge.acquire.faults.shared_line import Station, measuring
from tests.edge.acquire.write import wired
from tests.edge.acquire.write.conftest import Wired
from tests.edge.site_text import HEAD


def last(station: Station) -> tuple[str, dict[str, object]]:
    return next((each.kind, each.detail) for each in reversed(station.happenings) if "command" in each.kind)


async def test_the_steps_are_sent_in_order_each_once_and_told(either: Wired) -> None:
    async with measuring(either.folder, wired.site(either.bus)) as station:
        begin = asyncio.get_running_loop().time()
        sent = await station.acquirer.command("sick", "calibrate", "wang")
        assert asyncio.get_running_loop().time() - begin >= 0.3
        assert [pdu.hex() for pdu in either.first.heard] == ["06001f0001", "10002000020400010002", "0600220009"]
        assert sent.answers == ("confirmed",) * 3
        assert sent.command.effective == "restart"
        assert last(station) == (
            "command_sent",
            {
                "instrument": "sick",
                "command": "calibrate",
                "by": "wang",
                "steps": [
                    "function 6 at 0x001f: 0x0001",
                    "function 16 at 0x0020: 0x0001 0x0002",
                    "function 6 at 0x0022: 0x0009",
                ],
                "effective": "restart",
                "answers": ["confirmed"] * 3,
            },
        )
        assert either.second.heard == []


async def test_what_is_not_enabled_or_not_there_is_refused_told_and_never_sent(serial: Wired) -> None:
    async with measuring(serial.folder, wired.site(serial.bus, commands="[brush]")) as station:
        for instrument, name, what in (
            ("sick", "clear_rain", "the command clear_rain is not enabled"),
            ("sick", "clear_rian", "controller has no command 'clear_rian'; did you mean \"clear_rain\"?"),
            ("well", "brush", "the command brush is not enabled"),
            ("sock", "brush", "no instrument 'sock'"),
        ):
            with pytest.raises(FieldError) as error:
                await station.acquirer.command(instrument, name)
            assert error.value.what == what
            assert last(station)[0] == "command_refused"
        assert serial.first.heard == serial.second.heard == []


def test_a_site_cannot_enable_what_the_profile_does_not_declare(tmp_path: Path) -> None:
    (tmp_path / "controller.yaml").write_text(wired.PROFILE)
    path = tmp_path / "site.yaml"
    text = HEAD + wired.site("kind: serial, port: /dev/null", commands="[brash]")
    path.write_text(text)
    with pytest.raises(DocumentError) as error:
        load_site(path, [tmp_path])
    (problem,) = error.value.problems
    assert problem.what == "commands: controller has no command 'brash'; did you mean \"brush\"?"
    line = text.splitlines()[problem.line - 1]
    assert line[problem.column - 1 :].startswith("brash")


async def test_a_refused_step_stops_the_rest_and_both_are_named(either: Wired) -> None:
    either.first.refuses(16, 32)
    async with measuring(either.folder, wired.site(either.bus)) as station:
        with pytest.raises(NotObeyed, match=r"step 2 of 3 was refused: .*exception 2") as error:
            await station.acquirer.command("sick", "calibrate")
        assert error.value.do == (
            "sent: 1 (function 6 at 0x001f: 0x0001); not sent: 3 (function 6 at 0x0022: 0x0009); "
            "look at the instrument before sending it again"
        )
        assert either.first.places == [(6, 31), (16, 32)]
        kind, detail = last(station)
        assert (kind, detail["sent"], detail["failed"]) == ("command_failed", 1, "not done")


async def test_a_first_step_that_is_refused_has_done_nothing(serial: Wired) -> None:
    serial.first.refuses(6, 30)
    async with measuring(serial.folder, wired.site(serial.bus)) as station:
        with pytest.raises(FieldError, match="step 1 of 1 was refused") as error:
            await station.acquirer.command("sick", "clear_rain")
        assert not isinstance(error.value, NotObeyed)
        assert error.value.do == "nothing was done"
        assert last(station)[0] == "command_refused"


async def test_a_step_without_answer_is_not_sent_again_and_nobody_claims_to_know(either: Wired) -> None:
    either.first.deaf_to.add((16, 32))
    async with measuring(either.folder, wired.site(either.bus)) as station:
        with pytest.raises(NotObeyed, match="step 2 of 3 may have been obeyed or not: no answer"):
            await station.acquirer.command("sick", "calibrate")
        assert either.first.places == [(6, 31), (16, 32)]
        kind, detail = last(station)
        assert (kind, detail["sent"], detail["failed"]) == ("command_failed", 1, "unknown")
        await station.until(lambda group: all(value is not None for _, value, _ in group.samples))


async def test_silence_that_is_usual_is_no_failure(either: Wired) -> None:
    async with measuring(either.folder, wired.site(either.bus)) as station:
        sent = await station.acquirer.command("sick", "sleep")
        assert sent.answers == ("unanswered",)
        assert sent.command.effective == "after_reply"
        assert either.first.places == [(6, 35)]
        assert last(station)[0] == "command_sent"


async def test_writes_and_reads_of_nothing_are_commands_too(either: Wired) -> None:
    async with measuring(either.folder, wired.site(either.bus)) as station:
        assert (await station.acquirer.command("sick", "brush")).answers == ("confirmed", "confirmed")
        assert [pdu.hex() for pdu in either.first.heard] == ["100024000000", "0300250000"]


async def test_accepted_and_still_working_is_a_yes_and_busy_is_a_no_that_is_not_asked_twice(either: Wired) -> None:
    async with measuring(either.folder, wired.site(either.bus)) as station:
        either.first.says[16, 36] = 5
        assert (await station.acquirer.command("sick", "brush")).answers == ("confirmed", "confirmed")
        either.first.says[3, 37] = 6
        with pytest.raises(NotObeyed, match=r"step 2 of 2 was refused: .*exception 6 \(busy\)"):
            await station.acquirer.command("sick", "brush")
        assert either.first.places == [(16, 36), (3, 37)] * 2


async def test_an_instrument_that_sleeps_is_woken_before_it_is_told_anything(serial: Wired) -> None:
    path = serial.folder / "profiles" / "controller.yaml"
    path.write_text(wired.PROFILE + "wake: {after_ms: 1500, wait_ms: 20}\n")
    serial.first.behaves(asleep_after_s=1.5)
    async with measuring(serial.folder, wired.site(serial.bus, every="1h")) as station:
        await station.acquirer.read_now("sick")
        for _ in range(2):
            await asyncio.sleep(1.7)
            await station.acquirer.command("sick", "brush")
        await asyncio.sleep(1.7)
        await station.acquirer.write("sick", {"low": 1})
        assert serial.first.places == [(16, 36), (3, 37)] * 2 + [(16, 10)]


async def test_a_command_disturbs_neither_the_line_nor_the_other_instrument(serial: Wired) -> None:
    async with measuring(serial.folder, wired.site(serial.bus, every="1s")) as station:
        await station.until(lambda group: True)
        sent = [asyncio.ensure_future(station.acquirer.command("sick", "calibrate")) for _ in range(3)]
        await asyncio.gather(*sent)
        await station.until(lambda group: True)
        assert serial.first.places == [(6, 31), (16, 32), (6, 34)] * 3
        assert isinstance(serial.line, wired.Watched)
        assert serial.line.overlaps == 0
        assert all(value is not None for group in station.groups for _, value, _ in group.samples)


async def test_a_stop_of_the_agent_half_way_is_told_as_not_known(serial: Wired) -> None:
    async with measuring(serial.folder, wired.site(serial.bus)) as station:
        command = asyncio.ensure_future(station.acquirer.command("sick", "calibrate"))
        await serial.first.told.wait()
        await asyncio.sleep(0.04)  # in the wait between the first two steps
    with pytest.raises(FieldError, match="the agent stopped while this was being done"):
        await command
    assert serial.first.places == [(6, 31)]
    kind, detail = last(station)
    assert kind == "command_failed"
    assert detail["why"] == "the agent stopped while it was being done"


async def test_a_counter_is_read_right_before_and_after_it_is_cleared(either: Wired) -> None:
    either.first.measures["rain"] = 12.5
    async with measuring(either.folder, wired.site(either.bus, every="1h")) as station:
        await station.acquirer.command("sick", "clear_rain")
        rain = [group.samples[1][1] for group in station.groups if group.instrument == "sick"]
        assert rain[-2:] == [12.5, 0.0]
        kind, detail = last(station)
        assert (kind, detail["clears"]) == ("command_sent", ["rain"])
        either.first.measures["rain"] = 12.9
        group = await station.acquirer.read_now("sick")
        assert group.samples[1][1] == 0.4
