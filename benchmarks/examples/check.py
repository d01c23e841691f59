"""How long each example's job took, from what `make examples` left; fails where one took longer than it may.

A duration says something about the machine as well, so no test asserts it: this reads the report of a run on the
machine that the bound is meant for, one core for each pod.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

LONGEST = 180
"""Seconds from a job's first attempt to its model, on one core."""


def main(report: str) -> int:
    """Exit status 1 where a job took too long."""
    document = json.loads(Path(report).read_text(encoding="utf-8"))
    print(f"{document['machine']}, {document['date']}")
    late = []
    for name, reached in document["examples"].items():
        print(f"{name:16} {reached['seconds']:5.0f} s of {LONGEST} for {reached['steps']} steps")
        if reached["seconds"] > LONGEST:
            late.append(name)
    if late:
        print(f"longer than {LONGEST} s: {', '.join(late)}", file=sys.stderr)
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
