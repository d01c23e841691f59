"""The chat example's data, as its script writes it, and what it says is right."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from hostler.demo import checkout

FILE = "conversations.jsonl"
"""Key of the ConfigMap."""


def conversations() -> str:
    """A conversation in each line."""
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / FILE
        script = checkout.root() / "examples" / "chat" / "data.py"
        subprocess.run([sys.executable, str(script), str(target)], check=True)
        return target.read_text(encoding="utf-8")


def answer_to(question: str, data: str) -> str:
    """What the assistant says to a question that the data has. Raises ``LookupError`` where it has none."""
    for line in data.splitlines():
        asked, answered = json.loads(line)["messages"]
        if asked["content"] == question:
            return str(answered["content"])
    raise LookupError(f"no conversation begins with {question!r}")
