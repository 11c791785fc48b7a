"""The socket by which the command line asks the running agent."""

import asyncio
import ctypes
import json
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from haihe_contract.errors import FieldError
from haihe_edge import control, orders


async def status(_request: Mapping[str, Any]) -> dict[str, Any]:
    return {"ok": True}


async def refuse(request: Mapping[str, Any]) -> dict[str, Any]:
    raise FieldError(f"no instrument {request['instrument']}", where="site.yaml", do="name one of radar")


async def two() -> AsyncIterator[dict[str, Any]]:
    for n in range(2):
        yield {"n": n}


@asynccontextmanager
async def agent(path: Path) -> AsyncIterator[None]:
    running = asyncio.ensure_future(control.Control(path, {"status": status, "read": refuse}, {"watch": two}).run())
    async with asyncio.timeout(5):
        while not (path.exists() and control._somebody_listens(path)):
            if running.done():
                running.result()
            await asyncio.sleep(0.01)
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_question_gets_one_answer_and_a_stream_many(tmp_path: Path) -> None:
    path = tmp_path / "control"
    async with agent(path):
        assert await asyncio.to_thread(control.ask, path, {"do": "status"}) == {"ok": True}
        rows: list[dict[str, Any]] = []

        def listen() -> None:
            rows.extend(control.listen(path, {"do": "watch"}, timeout_s=5))

        with pytest.raises(control.AgentAway):  # the stream has ended
            await asyncio.to_thread(listen)
        assert rows == [{"n": 0}, {"n": 1}]


async def test_a_refusal_arrives_with_what_where_and_do(tmp_path: Path) -> None:
    path = tmp_path / "control"
    async with agent(path):
        with pytest.raises(FieldError, match="no instrument x") as caught:
            await asyncio.to_thread(control.ask, path, {"do": "read", "instrument": "x"})
        assert (caught.value.where, caught.value.do) == ("site.yaml", "name one of radar")


@pytest.mark.parametrize("line", [b"{", b"[]", b"{}", b'{"do": 7}', b"\xff\xfe", b"x" * 5000, b"[" * 9000])
async def test_nonsense_on_the_socket_is_answered_and_harms_nobody(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "control"

    def speak() -> bytes:
        with socket.socket(socket.AF_UNIX) as asker:
            asker.settimeout(5)
            asker.connect(str(path))
            asker.sendall(line + b"\n")
            return asker.makefile("rb").readline()

    async with agent(path):
        answer = await asyncio.to_thread(speak)
        assert "what" in json.loads(answer)
        assert await asyncio.to_thread(control.ask, path, {"do": "status"}) == {"ok": True}


async def test_the_socket_of_a_dead_agent_is_replaced_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "control"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with agent(path):
        with pytest.raises(FieldError, match="already running"):
            await control.Control(path, {}, {}).run()
    assert not path.exists()


def test_an_agent_that_is_away_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(control.AgentAway):
        control.ask(tmp_path / "nothing", {"do": "status"})


def test_who_may_not_ask_a_running_agent_is_told_so_and_not_that_it_has_stopped(tmp_path: Path) -> None:
    path = tmp_path / "control"
    with socket.socket(socket.AF_UNIX) as running:
        running.bind(str(path))
        running.listen()
        path.chmod(0o600 if os.getuid() == 0 else 0)
        libc = ctypes.CDLL(None)
        if os.getuid() == 0:
            libc.setfsuid(65534)  # look at files as nobody does (Linux: setfsuid(2))
        try:
            with pytest.raises(FieldError, match="may not be asked by this user") as caught:
                control.ask(path, {"do": "status"})
        finally:
            if os.getuid() == 0:
                libc.setfsuid(0)
        assert "usermod -aG haihe" in caught.value.do


@pytest.mark.parametrize("value", [10**400, "3", None, True])
async def test_what_is_no_value_for_an_instrument_is_refused_in_words(value: object) -> None:
    acquirer: Any = None  # it is not reached
    with pytest.raises(FieldError, match="number"):
        await orders.write(acquirer, {"instrument": "radar", "point": "offset", "value": value})
