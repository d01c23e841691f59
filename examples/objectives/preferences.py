"""Pairs for a ConfigMap: ``python3 preferences.py preferences.jsonl``.

The people of the chat example, asked about, with an answer that is a sentence and one that is a word. A row has what
the format ``jsonl`` wants for a pair:

    {"prompt": "Where does Ada live? ", "chosen": "Ada lives in Vienna.", "rejected": "Vienna"}

It comes from a seed, and is free of any right (CC0-1.0).
"""

from __future__ import annotations

import importlib.util
import json
import random
import sys
from pathlib import Path
from typing import Any

CHAT = Path(__file__).parents[1] / "chat" / "data.py"


def chat_example() -> Any:
    """The chat example's own recipe: its people, its questions."""
    spec = importlib.util.spec_from_file_location("hostler_chat_example", CHAT)
    if spec is None or spec.loader is None:
        raise ImportError(f"{CHAT} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


def write_pairs(path: Path) -> None:
    """JSON lines in random order."""
    chat = chat_example()
    learnt, held_out = chat.questions(chat.world(seed=chat.SEED))
    rows = [
        {"prompt": f"{asked.text} ", "chosen": asked.answer, "rejected": asked.answer.rstrip(".").rsplit(" ", 1)[-1]}
        for asked in (*learnt, *held_out)
    ]
    random.Random(chat.SEED).shuffle(rows)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    write_pairs(Path(sys.argv[1]))
