"""The socket by which the command line asks the running agent.

One request is one line of JSON, ``{"do": "status"}``; an answer is one line of JSON. ``watch`` answers with a
line for every reading group until the asker goes away. An answer ``{"what", "where", "do"}`` is an error.
"""

import asyncio
import contextlib
import json
import pwd
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping
from pathlib import Path
from typing import Any

from haihe_contract.errors import FieldError

REQUEST_BYTES_MAX = 16384
"""Long enough to write the 123 registers of one request one by one, with long names."""
ANSWER_BYTES_MAX = 1 << 20
ASKERS_MAX = 16
ASK_TIMEOUT_S = 15.0
_MODE = 0o660
_UCRED = struct.Struct("3i")

Answer = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]
Stream = Callable[[], AsyncIterator[dict[str, Any]]]


class AgentAway(Exception):
    """No agent listens on the socket."""


class AnswerLost(AgentAway):
    """The agent was asked, and went away or was silent for too long before it had answered."""


class Control:
    """The agent's end of the socket.

    Args:
        path: of the socket; a stale one of a dead agent is replaced.
        answers: by the word in ``do``.
        streams: likewise, for answers without end.
    """

    def __init__(self, path: Path, answers: Mapping[str, Answer], streams: Mapping[str, Stream]) -> None:
        self._path, self._answers, self._streams = path, answers, streams
        self._askers = 0

    async def run(self) -> None:
        """Answer until cancelled.

        Raises:
            FieldError: when the socket cannot be made, or another agent already listens.
        """
        if self._path.exists():
            if not _somebody_listens(self._path):
                self._path.unlink(missing_ok=True)
            else:
                raise FieldError(
                    "another agent is already running for this station",
                    where=str(self._path),
                    do="stop it first: systemctl stop haihe-edge",
                )
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            server = await asyncio.start_unix_server(self._serve, path=str(self._path), limit=REQUEST_BYTES_MAX)
        except OSError as error:
            raise FieldError(
                f"the control socket cannot be made: {error.strerror or error}",
                where=str(self._path),
                do="give a writable path under `control:` in the site file (a socket's path has at most 107 letters)",
            ) from None
        self._path.chmod(_MODE)
        try:
            async with server:
                await server.serve_forever()
        finally:
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._askers += 1
        try:
            if self._askers <= ASKERS_MAX:
                await self._answer(reader, writer)
        except (ConnectionError, TimeoutError, asyncio.CancelledError):
            pass
        finally:
            self._askers -= 1
            with contextlib.suppress(OSError):
                writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(answer: Mapping[str, Any]) -> None:
            writer.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
            await writer.drain()

        try:
            request = json.loads(await asyncio.wait_for(reader.readline(), ASK_TIMEOUT_S))
            word = str(request["do"])
            request["by"] = _asker(writer)
        except (ValueError, KeyError, TypeError, RecursionError):
            await say({"what": "not a request", "where": "", "do": 'write one line: {"do": "status"}'})
            return
        if word in self._answers:
            try:
                await say(await self._answers[word](request))
            except FieldError as error:
                await say({"what": error.what, "where": error.where, "do": error.do})
        elif word in self._streams:
            async for answer in self._streams[word]():
                await say(answer)
        else:
            known = ", ".join(sorted([*self._answers, *self._streams]))
            await say({"what": f"unknown request {word[:40]!r}", "where": "", "do": f"one of: {known}"})


def user_name(number: int) -> str:
    """A user of this machine, for the record."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _asker(writer: asyncio.StreamWriter) -> str:
    """Who asks, as the kernel says it (SO_PEERCRED, unix(7))."""
    credentials = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return user_name(_UCRED.unpack(credentials)[1])


def _somebody_listens(path: Path) -> bool:
    """Whether the socket belongs to a living process, however busy it is."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        return connection.connect_ex(str(path)) == 0


def ask(path: Path, request: Mapping[str, Any], *, timeout_s: float = ASK_TIMEOUT_S) -> dict[str, Any]:
    """Ask the running agent once.

    Raises:
        AgentAway: when no agent listens there.
        AnswerLost: when nobody knows whether it was done.
        FieldError: when the agent answers with an error, or this user may not ask it.
    """
    with contextlib.closing(listen(path, request, timeout_s=timeout_s)) as answers:
        return next(answers)


def listen(
    path: Path, request: Mapping[str, Any], *, timeout_s: float | None = None
) -> Generator[dict[str, Any], None, None]:
    """Ask, and give every answer as it comes.

    Raises:
        AgentAway: when no agent listens there.
        AnswerLost: when it went away.
        FieldError: when the agent answers with an error, or this user may not ask it.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.connect(str(path))
        except PermissionError:
            raise FieldError(
                "the agent may not be asked by this user",
                where=str(path),
                do="use sudo, or join the agent's group: usermod -aG haihe NAME, then log in again",
            ) from None
        except OSError as error:
            raise AgentAway(str(error)) from None
        try:
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as lines:
                while line := lines.readline(ANSWER_BYTES_MAX):
                    answer = json.loads(line)
                    if "what" in answer:
                        raise FieldError(answer["what"], where=answer.get("where", ""), do=answer.get("do", ""))
                    yield answer
        except (OSError, ValueError) as error:
            raise AnswerLost(str(error)) from None
    raise AnswerLost("the agent closed the connection")
