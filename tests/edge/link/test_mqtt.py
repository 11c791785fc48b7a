"""The MQTT link against a real Mosquitto with TLS and the product's own rights."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from haihe_cloud.admit.pki import Pki
from haihe_contract import backoff, topic
from haihe_contract.clock import SystemClock
from haihe_edge.forward.port import LinkDown, PublishRefused
from haihe_edge.link.mqtt import MqttLink

from tests.conftest import Voice

STATION, OTHER = "31005650", "31005651"
pytestmark = pytest.mark.broker


def link_to(pki: Pki, port: int, *, ca: Path | None = None, host: str = "127.0.0.1") -> MqttLink:
    stations = pki.directory / "stations"
    return MqttLink(
        station=STATION,
        host=host,
        port=port,
        ca=ca or pki.ca,
        certificate=stations / f"{STATION}.pem",
        key=stations / f"{STATION}.key",
        topics=[topic.receipt(STATION, "haihe")],
    )


@asynccontextmanager
async def connected(link: MqttLink) -> AsyncIterator[MqttLink]:
    await link.connect()
    try:
        yield link
    finally:
        await link.close()


@asynccontextmanager
async def counting(port: int) -> AsyncIterator[tuple[int, Callable[[], int]]]:
    """A relay before the broker that counts the bytes the station sends."""
    up = 0

    async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter, *, counts: bool) -> None:
        nonlocal up
        while data := await source.read(65536):
            up += len(data) if counts else 0
            target.write(data)
        target.close()

    async def relay(source: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        answers, target = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(carry(source, target, counts=True), carry(answers, back, counts=False))

    server = await asyncio.start_server(relay, "127.0.0.1")
    async with server:
        yield server.sockets[0].getsockname()[1], lambda: up


async def test_a_batch_is_handed_over_and_the_brokers_answer_is_heard(pki: Pki, broker: Any) -> None:
    async with connected(link_to(pki, broker.port)) as link:
        await asyncio.wait_for(link.publish(topic.up(STATION, 1), b"x"), 10)


async def test_a_refusal_by_the_broker_surfaces_with_its_reason(pki: Pki, broker: Any) -> None:
    async with connected(link_to(pki, broker.port)) as link:
        with pytest.raises(PublishRefused, match="Not authorized") as refused:
            await asyncio.wait_for(link.publish(topic.up(OTHER, 1), b"x"), 10)
        assert not refused.value.by_content  # no other content would help


async def test_a_topic_crosses_the_link_once_a_connection_and_every_message_comes_under_it(
    pki: Pki, broker: Any
) -> None:
    ear = Voice(broker, pki, "ear", listens_to=topic.UP_FILTER, keys="centre")
    sizes: list[int] = []
    said = ((1, b"1"), (1, b"2"), (2, b"3"), (1, b"4"), (2, b"5"))
    async with counting(broker.port) as (port, count):
        link = link_to(pki, port)
        for _ in range(2):  # the second connection knows nothing of the first one's numbers
            async with connected(link):
                for lane, payload in said:
                    before = count()
                    await asyncio.wait_for(link.publish(topic.up(STATION, lane), payload), 10)
                    sizes.append(count() - before)
    heard = [await asyncio.to_thread(ear.hear) for _ in range(10)]
    ear.close()
    assert heard == [(topic.up(STATION, lane), payload) for lane, payload in said] * 2
    saved = len(topic.up(STATION, 1))
    assert sizes[1] == sizes[3] == sizes[0] - saved
    assert sizes[6] == sizes[5] - saved


async def test_more_topics_than_the_broker_numbers_are_sent_in_full(pki: Pki, broker: Any) -> None:
    lanes = [f"{topic.up(STATION, 1)}/{n}" for n in range(30)]
    ear = Voice(broker, pki, "ear", listens_to=topic.UP_FILTER, keys="centre")
    async with connected(link_to(pki, broker.port)) as link:
        for name in lanes * 2:
            await asyncio.wait_for(link.publish(name, b"x"), 10)
    assert [(await asyncio.to_thread(ear.hear))[0] for _ in range(60)] == lanes * 2
    ear.close()


async def test_the_end_of_the_connection_is_told_to_everyone_who_waits(pki: Pki, broker: Any) -> None:
    async with connected(link_to(pki, broker.port)) as link:
        ended = asyncio.ensure_future(link.closed())
        await asyncio.to_thread(broker.kill)
        assert await asyncio.wait_for(ended, 10)
        with pytest.raises(LinkDown):
            await asyncio.wait_for(link.publish(topic.up(STATION, 1), b"x"), 10)


async def test_the_same_link_connects_again_after_the_broker_is_back(pki: Pki, broker: Any) -> None:
    link = link_to(pki, broker.port)
    async with connected(link):
        await asyncio.to_thread(broker.kill)
        await asyncio.wait_for(link.closed(), 10)
    await asyncio.to_thread(broker.start)
    async with connected(link):
        await asyncio.wait_for(link.publish(topic.up(STATION, 1), b"x"), 10)


async def test_nobody_listening_is_said_in_words(pki: Pki) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(LinkDown, match="Connection refused"):
        await link_to(pki, port).connect()


async def test_a_broker_that_another_authority_vouches_for_is_not_trusted(
    pki: Pki, broker: Any, tmp_path: Path
) -> None:
    other = Pki(tmp_path / "other", SystemClock())
    other.init()
    with pytest.raises(LinkDown, match="not trusted"):
        await link_to(pki, broker.port, ca=other.ca).connect()


async def test_a_server_that_takes_the_connection_and_never_speaks_is_given_up_without_a_trace(pki: Pki) -> None:
    held: list[asyncio.StreamWriter] = []
    gone = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        while await reader.read(4096):
            pass
        gone.set()
        writer.close()

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(LinkDown):
            await asyncio.wait_for(link_to(pki, port).connect(), 15)
        await asyncio.wait_for(gone.wait(), 10)  # no half-open connection stays behind
    assert held


@asynccontextmanager
async def slow_to_answer(port: int, seconds: float) -> AsyncIterator[int]:
    """A relay before the broker that lets the broker's first answer of each connection wait."""

    async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter, wait_s: float) -> None:
        while data := await source.read(65536):
            await asyncio.sleep(wait_s)
            wait_s = 0.0
            target.write(data)
        target.close()

    async def relay(source: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        answers, target = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(carry(source, target, 0.0), carry(answers, back, seconds), return_exceptions=True)

    server = await asyncio.start_server(relay, "127.0.0.1")
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_broker_that_is_slow_to_answer_very_many_is_given_longer_until_it_is_our_turn(
    pki: Pki, broker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "PATIENCE_MS", 500)
    async with slow_to_answer(broker.port, 1.5) as port:
        link = link_to(pki, port)
        for waited in (0.5, 1):
            with pytest.raises(LinkDown, match=f"took the connection and did not answer within {waited:.0f} s"):
                await link.connect()
        async with connected(link):
            await asyncio.wait_for(link.publish(topic.up(STATION, 1), b"x"), 10)


async def test_a_station_that_is_told_to_end_while_a_connection_is_being_ended_does_end(pki: Pki, broker: Any) -> None:
    link = link_to(pki, broker.port)
    await link.connect()
    ours = asyncio.all_tasks()
    closing = asyncio.ensure_future(link.close())
    await asyncio.sleep(0)
    (stopping,) = asyncio.all_tasks() - ours - {closing}
    stopping.add_done_callback(lambda _: closing.cancel())  # as paho's thread ends
    with pytest.raises(asyncio.CancelledError):
        await closing


async def test_a_station_that_is_told_to_end_does_not_wait_for_a_broker_that_is_slow_to_answer(
    pki: Pki, broker: Any
) -> None:
    loop = asyncio.get_running_loop()
    async with slow_to_answer(broker.port, 60) as port:
        link = link_to(pki, port)
        connecting = asyncio.ensure_future(link.connect())
        await asyncio.sleep(1)
        began = loop.time()
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        await link.close()
        await loop.shutdown_default_executor()  # as at the end of the agent: its threads are waited for
        assert loop.time() - began < 5
