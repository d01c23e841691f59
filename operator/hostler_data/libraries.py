"""Libraries that only some formats need, imported when a file of such a format is opened."""

from __future__ import annotations

import importlib
from typing import Any

from hostler_data.errors import MissingLibraryError


def installed(module: str) -> bool:
    """Whether ``module`` can be imported here."""
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


def library(module: str, *, use: str) -> Any:
    """Import ``module``. Raises ``MissingLibraryError`` with what it was wanted for."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise MissingLibraryError(f"{use} needs {name}, which is not installed: pip install hostler[data]") from error
