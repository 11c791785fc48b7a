"""The MQTT link against a real Mosquitto with TLS and the product's own rights."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from haihe_cloud.admit.pki import Pki
from haihe_contract import topic
from haihe_contract.clock import SystemClock
from haihe_edge.forward.port import LinkDown, PublishRefused
from haihe_edge.link.mqtt import MqttLink

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


async def test_a_batch_is_handed_over_and_the_brokers_answer_is_heard(pki: Pki, broker: Any) -> None:
    async with connected(link_to(pki, broker.port)) as link:
        await asyncio.wait_for(link.publish(topic.up(STATION, 1), b"x"), 10)


async def test_a_refusal_by_the_broker_surfaces_with_its_reason(pki: Pki, broker: Any) -> None:
    async with connected(link_to(pki, broker.port)) as link:
        with pytest.raises(PublishRefused, match="Not authorized"):
            await asyncio.wait_for(link.publish(topic.up(OTHER, 1), b"x"), 10)


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
