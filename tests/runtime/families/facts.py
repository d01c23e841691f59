"""The chat example's made-up facts and the conversations about them, from where users find them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

_SCRIPT = Path(__file__).parents[3] / "examples" / "chat" / "data.py"


def _example() -> Any:
    spec = importlib.util.spec_from_file_location("chat_example_data", _SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


_MODULE = _example()
Question: Any = _MODULE.Question
world, questions, write_conversations = _MODULE.world, _MODULE.questions, _MODULE.write_conversations
