"""Errors for people, whatever went wrong: {what, where, do}, never a trace. And who may write."""

import hmac
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from haihe_contract.clock import Clock, beijing
from haihe_contract.errors import FieldError
from haihe_contract.language import Words, choose
from starlette.exceptions import HTTPException

from haihe_cloud.database import DatabaseAway
from haihe_cloud.store.port import StoreAway

from .words import CHINESE


class Refusal(Exception):
    """A request that is refused with a status and a sentence."""

    def __init__(self, status: int, what: str, *, where: str = "", do: str = "", **facts: object) -> None:
        super().__init__(what)
        self.status = status
        self.what = what
        self.where = where
        self.do = do
        self.facts = facts


def words_of(request: Request) -> Words:
    """In the language of the address, else of the browser, else Chinese."""
    asked = request.query_params.get("lang") or request.headers.get("accept-language", "zh")[:2]
    return Words(CHINESE, choose(asked))


def answer_fault(status: int, what: str, where: str = "", do: str = "") -> JSONResponse:
    """The one form of an error."""
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse({"what": what, "where": where, "do": do}, status_code=status, headers=headers)


def install(app: FastAPI, clock: Clock) -> None:
    """Make every error of the app speak."""

    async def refusal(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Refusal)  # noqa: S101 - registered for it
        words = words_of(request)
        do = words(error.do, **error.facts) if error.do else ""
        return answer_fault(error.status, words(error.what, **error.facts), error.where, do)

    async def field(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, FieldError)  # noqa: S101 - registered for it
        return answer_fault(409, error.what, error.where, error.do)

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
        words = words_of(request)
        first = error.errors()[0] if error.errors() else {}
        where = ".".join(str(part) for part in first.get("loc", ()))[:200]
        what = words("the request is not right: {what}", what=str(first.get("msg", ""))[:300])
        return answer_fault(422, what, where, words("see /openapi.json for what is allowed"))

    async def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
        words = words_of(request)
        if error.status_code == 404:
            what, do = (
                words("there is nothing at this address"),
                words("begin at / for the page or at /openapi.json for the API"),
            )
        else:
            what = words("this cannot be done that way here: {what}", what=str(error.detail)[:200])
            do = words("see /openapi.json for what is allowed")
        return answer_fault(error.status_code, what, request.url.path[:200], do)

    async def away(request: Request, error: Exception) -> JSONResponse:
        words = words_of(request)
        store = isinstance(error, StoreAway)
        return answer_fault(
            503,
            words("the series store cannot be reached now" if store else "the database cannot be reached now"),
            request.url.path[:200],
            words("try again; what stations send is kept until it is back"),
        )

    async def anything(request: Request, error: Exception) -> JSONResponse:
        # The server writes the trace into its log; people get a sentence.
        words = words_of(request)
        return answer_fault(
            500,
            words("the centre could not do this"),
            request.url.path[:200],
            words("look into the centre's log at {time}, then report it", time=beijing(clock.now_ms())),
        )

    app.add_exception_handler(Refusal, refusal)
    app.add_exception_handler(FieldError, field)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(StoreAway, away)
    app.add_exception_handler(DatabaseAway, away)
    app.add_exception_handler(Exception, anything)


def may_write(request: Request, token: str | None) -> None:
    """Only this centre's own page, or somebody with the token, may write.

    Raises:
        Refusal: 415, 403 or 401.
    """
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise Refusal(
            415,
            "an answer must be sent as application/json",
            where="Content-Type",
            do="send the header Content-Type: application/json",
        )
    origin = request.headers.get("origin")
    site = request.headers.get("sec-fetch-site")
    foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    if foreign or site not in (None, "same-origin", "none"):
        raise Refusal(
            403,
            "the request comes from another site",
            where="Origin",
            do="open this centre's own page and answer there",
        )
    if token is None:
        return
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given:
        raise Refusal(
            401,
            "writing needs a token",
            where="Authorization",
            do="send Authorization: Bearer with the centre's write token",
        )
    if not hmac.compare_digest(given.strip().encode(), token.encode()):
        raise Refusal(
            403,
            "the token is wrong",
            where="Authorization",
            do="send Authorization: Bearer with the centre's write token",
        )
