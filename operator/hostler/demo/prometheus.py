"""Asking Prometheus, with its HTTP API (https://prometheus.io/docs/prometheus/latest/querying/api/)."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from urllib.parse import urlencode
from urllib.request import urlopen


@dataclass(frozen=True)
class Sample:
    """One series of an instant vector."""

    labels: dict[str, str]
    value: float


def query(url: str, expression: str) -> list[Sample]:
    """An instant query; series whose value is not a number are left out. Raises ``OSError`` where nobody answers."""
    with urlopen(f"{url}/api/v1/query?{urlencode({'query': expression})}", timeout=10) as response:
        answer = json.load(response)
    if answer["status"] != "success":
        raise ValueError(f"{expression}: {answer.get('error')}")
    found = (
        Sample(labels={k: v for k, v in entry["metric"].items() if k != "__name__"}, value=float(entry["value"][1]))
        for entry in answer["data"]["result"]
    )
    return [sample for sample in found if math.isfinite(sample.value)]
