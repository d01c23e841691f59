"""Paragraphs of Python's help topics as JSON lines: ``python3 data.py data.jsonl``."""

from __future__ import annotations

import json
import sys
from pydoc_data.topics import topics

BYTES = 900_000
"""A ConfigMap holds a little more."""


def main(target: str) -> None:
    """Write as many as fit."""
    left = BYTES
    with open(target, "w", encoding="utf-8") as file:
        for _, topic in sorted(topics.items()):
            for paragraph in filter(None, map(str.strip, topic.split("\n\n"))):
                row = json.dumps({"text": paragraph}) + "\n"
                left -= len(row)
                if left < 0:
                    return
                file.write(row)


if __name__ == "__main__":
    main(sys.argv[1])
