"""What a service has cost: its replicas' devices from their reservation on, whether anybody asks them or not."""

from __future__ import annotations

from hostler.api.cost import HeldCost
from hostler.api.inferenceservice import InferenceServiceStatus
from hostler.controllers.costing import devices_of, held_bill, held_fields, rate_now
from hostler.controllers.inferenceservice.observed import Observed
from hostler.planning.billing import Use, advanced


def charged(seen: Observed, after: InferenceServiceStatus, *, now: str) -> HeldCost | None:
    """What the next status says of the cost, where all the rest of it is this."""
    before, view = seen.status.cost, seen.pool.view
    devices = devices_of(after.placement, view=view, cpu=seen.spec.resources.cpu)
    bill = None if before is None else held_bill(before)
    if devices == 0 and (bill is None or bill.hold is None):
        return before
    rate = rate_now(bill, view)
    found = advanced(bill, now=now, devices=devices, rate=rate, use=Use.SERVING, attempt=None)
    if bill is not None and after == seen.status and found.hold == bill.hold:
        # Time alone is no news: whoever reads it adds what the hold has cost since.
        return before
    return HeldCost(**held_fields(found, now=now))
