"""What the running agent does for bundles: it tells what a new card must know, and hears receipts brought by hand.

The bundle itself is written by a process of its own, which reads the journal's files.
"""

import asyncio
import base64
from collections.abc import Mapping
from typing import Any

import msgspec
from haihe_contract.errors import FieldError
from haihe_contract.receipt import RECEIPT_BYTES_MAX, ReceiptRefused

from .clock.trust import Stamp
from .recorder import Recorder
from .remember.site_states import Standing

COMMIT_WITHIN_S = 5.0
ASK_AGAIN = "take the file that `haihe-cloud bundle import` wrote for this station"
_LOOK_S = 0.02


async def standing(recorder: Recorder, told: Mapping[str, Standing], stamp: Stamp) -> dict[str, Any]:
    """What things stand at; what waits for its commit is durable then, and what the centres hold is kept.

    Args:
        recorder: of the station.
        told: what things stand at, by name.
        stamp: now.
    """
    number = recorder.journal.appended
    recorder.hurry(urgent=True)
    for _ in range(round(COMMIT_WITHIN_S / _LOOK_S)):
        if recorder.journal.durable >= number:
            break
        await asyncio.sleep(_LOOK_S)
    await asyncio.to_thread(recorder.save_now)
    return {
        "time_ms": stamp.time_ms,
        "grade": int(stamp.grade),
        "durable": recorder.journal.durable >= number,
        "states": {name: msgspec.to_builtins(each.value) for name, each in told.items()},
    }


async def receipt(recorder: Recorder, request: Mapping[str, Any]) -> dict[str, Any]:
    """Hear a receipt as if it had come over the link; with ``save`` it also outlives a power cut from now on.

    Raises:
        FieldError: when it is refused.
    """
    centre = str(request.get("centre", ""))
    forwarder = next((each for each in recorder.forwarders if each.centre == centre), None)
    if forwarder is None:
        raise FieldError(f"the running agent knows no centre {centre}", do="start it again with the site file of now")
    here = await asyncio.to_thread(recorder.journal.extents)
    before = forwarder.held.count(here)
    try:
        data = base64.b64decode(str(request.get("receipt", ""))[: 2 * RECEIPT_BYTES_MAX], validate=True)
        forwarder.bring(data)
    except (ValueError, ReceiptRefused) as error:
        raise FieldError(f"a receipt was not accepted: {error}", where=centre, do=ASK_AGAIN) from None
    except OSError as error:
        why = f"the centre's new epoch cannot be kept: {error.strerror or error}"
        raise FieldError(why, where=str(error.filename or ""), do="look at the disk: df -h") from None
    if request.get("save"):
        await asyncio.to_thread(recorder.save_now)
    records, after = sum(extent.numbers.count() for extent in here), forwarder.held.count(here)
    return {"here": records, "waiting": records - after, "new": max(0, after - before), "trouble": recorder.trouble}
