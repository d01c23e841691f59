"""`helm test`: asks the operator's own metrics whether one of its replicas leads.

Run as ``python -m hostler.operator.selftest URL``; exits 0 with one line, or 1 with the line that says what is wrong.
"""

from __future__ import annotations

import sys
import time
from urllib.error import URLError
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from hostler.metrics.names import LEADER

ATTEMPTS = 20


def verdict(text: str) -> str | None:
    """What is wrong with these metrics, or None."""
    values = {sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples}
    if LEADER not in values:
        return f"the metrics have no {LEADER}: is this the operator?"
    if values[LEADER] != 1:
        return "this replica does not lead: another one holds the Lease, or nobody does"
    return None


def main(url: str) -> int:
    """Ask until a leader answers: the Service spreads over replicas, and only one of them leads."""
    problem: str | None = "nobody asked yet"
    for _ in range(ATTEMPTS):
        try:
            with urlopen(url, timeout=5) as response:
                problem = verdict(response.read().decode())
        except (URLError, OSError) as error:
            problem = f"{url} does not answer: {error}"
        if problem is None:
            print("the operator leads and answers")
            return 0
        time.sleep(1)
    print(problem)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
