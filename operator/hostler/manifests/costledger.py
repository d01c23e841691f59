"""The ledger of a namespace and month, as a ConfigMap of the operator's own namespace, where tenants cannot write."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from hostler.api.schema import GROUP
from hostler.manifests.naming import MANAGED_BY, MANAGER
from hostler.planning.costledger import Ledger, Line

Object = dict[str, Any]

LEDGER_LABEL = f"{GROUP}/cost-ledger"
"""Its value is the month."""
NAMESPACE_ANNOTATION = f"{GROUP}/cost-namespace"
_KEY = "lines.json.gz"
_VERSION = 1


def ledger_name(namespace: str, month: str) -> str:
    """Name of the ConfigMap; long namespaces end in a hash."""
    digest = hashlib.sha256(namespace.encode()).hexdigest()[:8]
    short = namespace if len(namespace) <= 40 else f"{namespace[:31]}-{digest}"
    return f"hostler-cost-{month}-{short}"


def ledger_config_map(ledger: Ledger, *, namespace: str, month: str, place: str) -> Object:
    """Of ``namespace``, in the namespace ``place``. Compressed: ten thousand lines are about a third of what fits."""
    lines = [_written(line) for _, line in sorted(ledger.items())]
    text = json.dumps({"version": _VERSION, "lines": lines}, separators=(",", ":"))
    # Without a time in it, so that the same lines are the same bytes.
    packed = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": ledger_name(namespace, month),
            "namespace": place,
            "labels": {MANAGED_BY: MANAGER, LEDGER_LABEL: month},
            "annotations": {NAMESPACE_ANNOTATION: namespace},
        },
        "binaryData": {_KEY: packed},
    }


def read_ledger(found: Object | None) -> dict[str, Line]:
    """Its lines; empty where there is none. Raises ``ValueError`` where somebody has changed it so that it cannot be
    read: it is never overwritten then."""
    packed = ((found or {}).get("binaryData") or {}).get(_KEY)
    if packed is None:
        return {}
    try:
        document = json.loads(gzip.decompress(base64.b64decode(packed)))
        return {line.uid: line for line in _lines(document)}
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, InvalidOperation) as error:
        raise ValueError(f"ConfigMap {(found or {})['metadata']['name']} is no ledger of this release") from error


def _lines(document: Any) -> Iterator[Line]:
    for each in document["lines"]:
        seconds, money, lost = each.get("before") or (0, {}, 0)
        yield Line(
            uid=each["uid"],
            kind=each["kind"],
            name=each["name"],
            pool=each["pool"],
            model=each.get("model", ""),
            device_seconds=int(each["deviceSeconds"]),
            money=_decimals(each["money"]),
            lost_seconds=int(each.get("lostSeconds", 0)),
            until=each["until"],
            before=(int(seconds), _decimals(money), int(lost)),
        )


def _written(line: Line) -> Object:
    seconds, money, lost = line.before
    found: Object = {
        "uid": line.uid,
        "kind": line.kind,
        "name": line.name,
        "pool": line.pool,
        "deviceSeconds": line.device_seconds,
        "money": _texts(line.money),
        "until": line.until,
    }
    if line.model:
        found["model"] = line.model
    if line.lost_seconds:
        found["lostSeconds"] = line.lost_seconds
    if seconds or money or lost:
        found["before"] = [seconds, _texts(money), lost]
    return found


def _texts(money: Any) -> dict[str, str]:
    return {currency: f"{amount:f}" for currency, amount in sorted(money.items())}


def _decimals(money: Any) -> dict[str, Decimal]:
    return {str(currency): Decimal(amount) for currency, amount in money.items()}
