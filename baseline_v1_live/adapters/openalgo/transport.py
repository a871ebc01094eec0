"""One HTTP session to the gateway: sends a question, gives back a Reply, and keeps the key to itself.

The key goes into the JSON body of each request, never into an address or a header. It is taken out of
everything that comes back before anybody else sees it.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from types import TracebackType

import aiohttp
import msgspec

from baseline_v1_live.adapters.openalgo.wire.requests import Body
from baseline_v1_live.adapters.openalgo.wire.values import Failure, Reply, parse_reply
from baseline_v1_live.runtime.clock import wall_ms

_log = logging.getLogger(__name__)

BODY_BYTES_MAX = 8 * 1024 * 1024
KEPT_CHARACTERS = 2_000
# Idle connections are dropped before the gateway's own server drops them (gunicorn: 2 s): an order
# written into a connection that is just being closed would have an unknown outcome.
IDLE_S = 1.0


OpenSession = Callable[[], aiohttp.ClientSession]


class Exchanged(msgspec.Struct, frozen=True, kw_only=True):
    """One request and its answer, without the key; bodies are cut. Instants are epoch milliseconds.

    ``date_ms`` is the gateway's own time of the answer, in whole seconds rounded down; None where it
    does not tell.
    """

    request_id: int
    path: str
    sent: str
    status: int | None
    received: str
    failure: Failure | None
    started_at_ms: int
    took_ms: int
    date_ms: int | None = None


class Secret:
    """A text that does not show itself."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Secret(***)"

    def reveal(self) -> str:
        """The text itself; only for the wire."""
        return self._text

    def scrub(self, text: str) -> str:
        """A text with the secret blotted out, as it is and as JSON escapes it."""
        if not self._text:
            return text
        return text.replace(self._text, "***").replace(json.dumps(self._text)[1:-1], "***")


class Transport:
    """Posts JSON to ``<base_url>/api/v1/<path>``; every ending is a Reply, never an exception.

    Only a caller's cancellation passes through: then the outcome of what was sent is unknown.
    Requests are numbered from ``first_request_id`` on.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        observer: Callable[[Exchanged], None] | None = None,
        now_ms: Callable[[], int] = wall_ms,
        first_request_id: int = 1,
        open_session: OpenSession | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/") + "/api/v1/"
        self._key = Secret(api_key)
        self._observer = observer
        self._now_ms = now_ms
        self._numbers = itertools.count(first_request_id)
        self._open_session = open_session or _open_session
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"Transport({self._base_url!r})"

    async def __aenter__(self) -> Transport:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(self, path: str, body: Body, timeout_s: float) -> Reply:
        """Send one question and read its whole answer within ``timeout_s`` seconds."""
        number, started_ms = next(self._numbers), self._now_ms()
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        reply = await self._post(path, body, timeout_s)
        if self._observer is not None:
            exchanged = Exchanged(
                request_id=number,
                path=path,
                sent=self._key.scrub(json.dumps(body))[:KEPT_CHARACTERS],
                status=reply.status,
                received=reply.text[:KEPT_CHARACTERS],
                failure=reply.failure,
                started_at_ms=started_ms,
                took_ms=round((loop.time() - started_s) * 1000),
                date_ms=reply.date_ms,
            )
            try:
                self._observer(exchanged)
            except Exception:
                # The answer must reach who asked, whatever becomes of its record.
                _log.exception("the observer of requests failed")
        return reply

    async def _post(self, path: str, body: Body, timeout_s: float) -> Reply:
        data = json.dumps({"apikey": self._key.reveal(), **body}).encode()
        try:
            async with self._open().post(
                self._base_url + path,
                data=data,
                headers={"Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=timeout_s),
                # A redirected order would be sent twice, or as something else.
                allow_redirects=False,
            ) as response:
                received = await _read(response.content)
                if received is None:
                    return Reply(status=response.status, text="too long", failure=Failure.OTHER)
                reply = parse_reply(response.status, self._key.scrub(received))
                return msgspec.structs.replace(reply, date_ms=_date_ms(response.headers))
        except Exception as error:
            # Not only aiohttp's own: whatever broke, the request may have gone out before.
            return Reply(text=self._key.scrub(_words(error)), failure=_failure(error))

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = self._open_session()
        return self._session


def _open_session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(keepalive_timeout=IDLE_S, limit=32)
    return aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
    )


async def _read(stream: aiohttp.StreamReader) -> str | None:
    """The whole body as text, None when it is too long to be an answer."""
    received = bytearray()
    async for chunk in stream.iter_any():
        received += chunk
        if len(received) > BODY_BYTES_MAX:
            return None
    return received.decode("utf-8", "replace")


def _date_ms(headers: Mapping[str, str]) -> int | None:
    """The instant of a ``Date`` header, which HTTP writes as ``Thu, 26 Nov 2026 04:00:00 GMT``."""
    try:
        return int(parsedate_to_datetime(headers["Date"]).timestamp()) * 1000
    except (KeyError, ValueError):
        return None


def _failure(error: Exception) -> Failure:
    # Both are raised while connecting, before a byte of the request is written.
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return Failure.NOT_SENT
    if isinstance(error, asyncio.TimeoutError):
        return Failure.TIMEOUT
    if isinstance(error, aiohttp.ClientConnectionError | aiohttp.ClientPayloadError | OSError):
        return Failure.RESET
    return Failure.OTHER


def _words(error: Exception) -> str:
    return f"{type(error).__name__} {error}".strip()[:300]
