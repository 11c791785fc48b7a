"""The web application of the centre: API, live events, metrics, health, page. Parts are handed in, none is made."""

from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from haihe_contract.clock import Clock
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from haihe_cloud.admit.registry import Registry
from haihe_cloud.ledger.ledger import Ledger
from haihe_cloud.store.port import Store

from .answers import Health
from .api import alarms_router, page_router, stations_router, status_router
from .faults import install
from .feed import LiveFeed
from .metrics import registry_of
from .ports import AlarmBook
from .stream import HEARTBEAT_S
from .views import Views

_TAGS = [
    {"name": "stations", "description": "Stations, their readings, their rain."},
    {"name": "alarms", "description": "Alarms and who has answered them."},
    {"name": "page", "description": "What the built-in page needs: words, settings, changes."},
    {"name": "centre", "description": "The centre itself: status, health, figures."},
]
_DESCRIPTION = (
    "What stations have measured and whether it can be believed. Times are integer milliseconds UTC; "
    "every error is `{what, where, do}`; add `?lang=en` or `?lang=zh` for its language."
)


def create_app(
    *,
    store: Store,
    ledger: Ledger,
    registry: Registry,
    alarms: AlarmBook,
    status: Callable[[], dict[str, Any]],
    clock: Clock,
    feed: LiveFeed,
    problems: Callable[[], Sequence[object]] = tuple,
    write_token: str | None = None,
    tiles: str = "",
    heartbeat_s: float = HEARTBEAT_S,
) -> FastAPI:
    """The application over these parts.

    Args:
        store: of series.
        ledger: of numbers.
        registry: of stations.
        alarms: the book.
        status: a snapshot of the centre for people and Prometheus; numbers in nested dicts become metrics, and a
            list of sentences under ``faults`` makes ``/healthz`` answer 503.
        clock: of the centre.
        feed: latest values; the caller runs it as a follower, calls ``load()`` at start and ``close()`` before the
            server is told to stop, because open event streams would hold it.
        problems: levels that are not judged although they should be (:class:`answers.ProblemSeen`).
        write_token: needed to answer alarms; None when the network itself is the guard.
        tiles: address pattern of the bureau's own map tiles (``https://…/{z}/{x}/{y}.png``, WGS 84 or CGCS2000).
        heartbeat_s: longest silence of an event stream.
    """
    app = FastAPI(
        title="Haihe centre",
        description=_DESCRIPTION,
        openapi_tags=_TAGS,
        # The usual documentation pages load scripts from elsewhere; /docs is our own.
        docs_url=None,
        redoc_url=None,
    )
    views = Views(store=store, ledger=ledger, registry=registry, feed=feed, clock=clock, problems=problems)
    install(app, clock)
    _guard(app, tiles)
    app.include_router(stations_router(views))
    app.include_router(alarms_router(views, alarms, write_token))
    app.include_router(page_router(views, alarms, write_token=write_token, tiles=tiles, heartbeat_s=heartbeat_s))
    app.include_router(status_router(status))
    _add_metrics(app, views, status)
    _add_health(app, status)
    folder = Path(str(resources.files("haihe_cloud.show"))) / "page"
    app.mount("/", StaticFiles(directory=folder, html=True), name="page")
    return app


def _add_metrics(app: FastAPI, views: Views, status: Callable[[], dict[str, Any]]) -> None:
    figures = registry_of(views, status)

    @app.get(
        "/metrics",
        tags=["centre"],
        summary="Figures for Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}, "description": "Prometheus text format"}},
    )
    def metrics() -> Response:
        """Stations by state, backlog and age of each, and every counter of the status."""
        return Response(generate_latest(figures), media_type=CONTENT_TYPE_LATEST)


def _add_health(app: FastAPI, status: Callable[[], dict[str, Any]]) -> None:
    @app.get(
        "/healthz",
        tags=["centre"],
        summary="Can the centre do its work now?",
        response_model=Health,
        responses={503: {"model": Health, "description": "no; the reasons are named"}},
    )
    def healthz() -> JSONResponse:
        """200 when broker, store and database are reachable, 503 with reasons otherwise."""
        reasons = [str(fault) for fault in status().get("faults", [])]
        return JSONResponse({"healthy": not reasons, "reasons": reasons}, status_code=503 if reasons else 200)


def _guard(app: FastAPI, tiles: str) -> None:
    """Nothing from elsewhere runs or loads in our page, and no other page frames it."""
    place = urlsplit(tiles)
    images = f"'self' data: {place.scheme}://{place.netloc}" if place.netloc else "'self' data:"
    policy = (
        f"default-src 'self'; img-src {images}; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    )

    app.add_middleware(
        _Headers,
        headers=[
            (b"content-security-policy", policy.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
        ],
    )


class _Headers:
    """Adds headers to every answer, and lets streams pass as they are."""

    def __init__(self, app: ASGIApp, headers: list[tuple[bytes, bytes]]) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def put(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", []))
                if not any(name.lower() == b"cache-control" for name, _ in given):
                    given.append((b"cache-control", b"no-cache"))
                message = {**message, "headers": given + self._headers}
            await send(message)

        await self._app(scope, receive, put)
