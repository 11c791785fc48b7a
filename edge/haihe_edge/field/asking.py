"""Asking the centres of a site file over the link what the station had told of itself, for a new card."""

import asyncio
import secrets
from typing import NamedTuple

from haihe_contract import topic
from haihe_contract.ed25519 import PublicKey
from haihe_contract.errors import FieldError
from haihe_contract.restore import QUESTION_BYTES, Answer, AnswerRefused, StationState, verify

from haihe_edge.forward.port import LinkDown, PublishRefused
from haihe_edge.link.mqtt import MqttLink, link_to
from haihe_edge.site import Centre, Site
from haihe_edge.station import read_receipt_key

from .beside import possible

ASK_AGAIN_S = 5.0
"""A centre answers a station at most every 2 s and forgets a question that it cannot answer."""
_BY_FILE = "or bring the state as a file: haihe-edge init --restore FILE"


class Told(NamedTuple):
    """What one centre said.

    Args:
        centre: which.
        states: what it knows, empty if it could not be had.
        left_out: states that had no room in its answer.
        fault: why there are none.
    """

    centre: Centre
    states: list[StationState]
    left_out: int = 0
    fault: FieldError | None = None


async def ask(site: Site, wait_s: float) -> list[Told]:
    """Ask every centre of the site file, all at the same time.

    Args:
        site: who asks, and whom.
        wait_s: for the whole of it.

    Raises:
        FieldError: when the site file names no centre.
    """
    if not site.centres:
        raise FieldError(
            "the site file names no centre that could be asked",
            where=str(site.file),
            do="add centres: to it; " + _BY_FILE,
        )
    return await asyncio.gather(*(_told(site.station.code, centre, wait_s) for centre in site.centres))


async def _told(station: str, centre: Centre, wait_s: float) -> Told:
    try:
        answer = await _answered(station, centre, wait_s)
    except FieldError as fault:
        return Told(centre, [], fault=fault)
    return Told(centre, [state for state in answer.states() if possible(state)], answer.left_out)


async def _answered(station: str, centre: Centre, wait_s: float) -> Answer:
    """The answer of one centre.

    Raises:
        FieldError: when there is none, or nothing in it.
    """
    where = f"{centre.host}:{centre.port}"
    key = read_receipt_key(centre.receipt_key)
    # A client of its own name: should the old card still run somewhere, it keeps its connection.
    link = link_to(centre, station, [topic.state(station, centre.name)], client=f"{station}-restore")
    question = secrets.token_bytes(QUESTION_BYTES)
    refused: list[str] = []
    try:
        async with asyncio.timeout(wait_s):
            await link.connect()
            answer = await _heard(link, station, centre, key, question, refused)
    except LinkDown as error:
        raise FieldError(
            f"centre {centre.name} cannot be reached: {error}",
            where=where,
            do="look at the link, the clock of this computer and the keys that the site file names; " + _BY_FILE,
        ) from None
    except PublishRefused as error:
        raise FieldError(
            f"the broker of centre {centre.name} does not let the station ask: {error}",
            where=where,
            do="have its access rules written again: haihe-cloud pki broker; " + _BY_FILE,
        ) from None
    except TimeoutError:
        if refused:
            raise FieldError(
                f"the answer of centre {centre.name} is not believed: {refused[-1]}",
                where=str(centre.receipt_key),
                do="copy the file that `haihe-cloud pki receipt-key` made at the centre",
            ) from None
        raise FieldError(
            f"centre {centre.name} has not answered within {wait_s:g} s",
            where=where,
            do="ask there whether it runs and is as new as this program; a slow link needs a longer --wait; "
            + _BY_FILE,
        ) from None
    finally:
        await link.close()
    if not answer.registered:
        raise FieldError(
            f"centre {centre.name} does not know station {station}",
            where=where,
            do=f"have it registered there, then try again: haihe-cloud station add {station}",
        )
    if not answer.states():
        raise FieldError(
            f"centre {centre.name} holds no state of station {station}",
            where=where,
            do="the station has never told it one: start it with the site file that is here",
        )
    return answer


async def _heard(
    link: MqttLink, station: str, centre: Centre, key: PublicKey, question: bytes, refused: list[str]
) -> Answer:
    """Ask until there is an answer to this question; what else came is noted in ``refused``.

    Raises:
        LinkDown: when the connection ends.
        PublishRefused: when the broker does not take the question.
    """
    asking = asyncio.ensure_future(_ask_for_ever(link, station, question))
    ended = asyncio.ensure_future(link.closed())
    hearing = asyncio.ensure_future(link.incoming.get())
    try:
        while True:
            await asyncio.wait({asking, ended, hearing}, return_when=asyncio.FIRST_COMPLETED)
            if hearing.done():
                try:
                    return verify(hearing.result()[1], key, centre=centre.name, station=station, question=question)
                except AnswerRefused as error:
                    refused.append(str(error))
                hearing = asyncio.ensure_future(link.incoming.get())
            elif asking.done():
                asking.result()
            elif ended.done():
                raise LinkDown(f"the connection ended: {ended.result()}")
    finally:
        for task in (asking, ended, hearing):
            task.cancel()


async def _ask_for_ever(link: MqttLink, station: str, question: bytes) -> None:
    while True:
        await link.publish(topic.state_asked(station), question)
        await asyncio.sleep(ASK_AGAIN_S)
