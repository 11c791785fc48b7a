"""Promises of the simulated link."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from haihe_contract.errors import FieldError
from haihe_simulators.link import Link


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1024):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    made = Link(server.sockets[0].getsockname()[:2])
    await made.start()
    yield made
    await made.close()
    server.close()


async def say(streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], text: bytes) -> bytes:
    reader, writer = streams
    writer.write(text)
    return await asyncio.wait_for(reader.readexactly(len(text)), 2)


async def test_an_open_link_carries_bytes_both_ways(link: Link) -> None:
    streams = await asyncio.open_connection("127.0.0.1", link.port)
    assert await say(streams, b"stage 3.25") == b"stage 3.25"
    assert (link.carried_up, link.carried_down) == (10, 10)
    streams[1].close()


async def test_a_cut_resets_what_is_there_and_refuses_what_comes(link: Link) -> None:
    streams = await asyncio.open_connection("127.0.0.1", link.port)
    await say(streams, b"x")
    await link.cut()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await streams[0].readexactly(1)
    with pytest.raises(OSError):  # noqa: PT011 - refused or reset, by the kernel's choice
        await asyncio.open_connection("127.0.0.1", link.port)
    port = link.port
    await link.mend()
    assert link.port == port
    again = await asyncio.open_connection("127.0.0.1", port)
    assert await say(again, b"back") == b"back"
    again[1].close()


async def test_a_frozen_link_keeps_the_connection_and_lets_nothing_pass(link: Link) -> None:
    streams = await asyncio.open_connection("127.0.0.1", link.port)
    await say(streams, b"x")
    await link.freeze()
    streams[1].write(b"held")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(streams[0].readexactly(4), 0.2)
    await link.mend()
    assert await asyncio.wait_for(streams[0].readexactly(4), 2) == b"held"
    streams[1].close()


async def test_delay_and_throttle_slow_the_bytes_down(link: Link) -> None:
    streams = await asyncio.open_connection("127.0.0.1", link.port)
    await link.order({"do": "shape", "delay_s": 0.1, "bytes_per_s": 10_000})
    loop = asyncio.get_running_loop()
    begin = loop.time()
    await say(streams, bytes(1000))
    assert loop.time() - begin >= 0.2 + 0.2
    streams[1].close()


async def test_an_order_that_does_not_exist_is_named(link: Link) -> None:
    with pytest.raises(FieldError, match="explode"):
        await link.order({"do": "explode"})
    assert (await link.order({"do": "status"}))["state"] == "open"
