"""Lines into InfluxDB through its v2 write API, and which line is to blame when it refuses.

A refusal (400, 422) never says that the rest was not written, and seldom which line was meant. Lines are
idempotent, so the portion is halved and written again until single lines stand alone. Before a line is blamed,
a line that is known to be good is written: when that is refused as well, not the line but the set-up is wrong.
"""

from collections.abc import Sequence

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from .port import StoreAway

LINES_MAX = 5000
"""Lines of one request: about 1.2 MB, far below the 25 MB that InfluxDB takes."""
_REFUSALS = (400, 413, 422)
_LIMITS = ("max-series-per-database", "max-values-per-tag", "limit exceeded")


class InfluxWriter:
    """The ``/api/v2/write`` address of one bucket.

    Args:
        url: for example ``http://127.0.0.1:8086``.
        token: of InfluxDB 2, or ``user:password`` of 1.8 and later.
        org: organisation of InfluxDB 2; 1.x takes any.
        bucket: ``name``, or ``database/retention-policy``.
        timeout_s: the longest wait for any answer.
    """

    def __init__(self, url: str, token: str, org: str, bucket: str, *, timeout_s: float) -> None:
        self._url = url
        self._org = org
        self._bucket = bucket
        self._client = InfluxDBClient(url=url, token=token or "-", org=org, timeout=int(timeout_s * 1000))
        self._api = self._client.write_api(write_options=SYNCHRONOUS)

    def write(self, lines: Sequence[str], precision: str = "ms") -> dict[int, str]:
        """Write the lines; they are durable when this returns.

        Returns:
            Position and reason of each line that the engine will never take.

        Raises:
            StoreAway: when the engine is away, full, or not set up; some lines may be written.
        """
        blamed: dict[int, str] = {}
        for start in range(0, len(lines), LINES_MAX):
            self._portion(lines, start, min(start + LINES_MAX, len(lines)), precision, blamed)
        return blamed

    def close(self) -> None:
        """Close the connections."""
        self._client.close()  # type: ignore[no-untyped-call]

    def _portion(self, lines: Sequence[str], start: int, end: int, precision: str, blamed: dict[int, str]) -> None:
        why = self._refusal("\n".join(lines[start:end]), precision)
        if why is None:
            return
        if not blamed:
            self._prove_set_up()
        if end - start == 1:
            blamed[start] = why
            return
        middle = (start + end) // 2
        self._portion(lines, start, middle, precision, blamed)
        self._portion(lines, middle, end, precision, blamed)

    def _prove_set_up(self) -> None:
        why = self._refusal("probe set_up=true", "ms")
        if why is not None:
            raise StoreAway(f"InfluxDB at {self._url} refuses every line: {why}")

    def _refusal(self, body: str, precision: str) -> str | None:
        try:
            self._api.write(self._bucket, self._org, body.encode(), write_precision=precision)  # type: ignore[arg-type]
        except ApiException as error:
            said = " ".join(str(error.body or error.reason or error.status).split())[:300]
            if error.status in _REFUSALS and not any(limit in said for limit in _LIMITS):
                return f"InfluxDB answered {error.status}: {said}"
            raise StoreAway(f"InfluxDB at {self._url} answered {error.status}: {said}") from error
        except (HTTPError, OSError) as error:
            raise StoreAway(f"InfluxDB at {self._url}: {error}") from error
        return None
