"""Packages whose parts are imported when somebody asks for them, where the package itself imports them all.

``kubernetes`` imports its synchronous client, requests, oauthlib and a websocket library, and ``kubernetes.aio`` its
dynamic client and streams; neither is used here, and together they are a sixth of the processor time of a start. kopf
looks for ``kubernetes`` as well, to recognise its models where handlers return them.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType


def import_on_demand(package: str) -> None:
    """Put a package in place without running its ``__init__``: each of its modules is imported when it is asked for.

    What has been imported already stays as it is. A package that is not installed is left to whoever needs it: what
    is decided about a change of the store needs no client.
    """
    parent, _, name = package.rpartition(".")
    if package in sys.modules or (parent and parent not in sys.modules):
        return
    spec = importlib.util.find_spec(package)
    if spec is None:
        return
    module = importlib.util.module_from_spec(spec)
    vars(module)["__getattr__"] = _importer(package)  # PEP 562
    sys.modules[package] = module
    if parent:
        setattr(sys.modules[parent], name, module)


def _importer(package: str) -> Callable[[str], ModuleType]:
    def find(name: str) -> ModuleType:
        wanted = f"{package}.{name}"
        try:
            # What Python itself looks for in every module, such as __wrapped__, is no part.
            if not name.startswith("__"):
                return importlib.import_module(wanted)
        except ModuleNotFoundError as error:
            if error.name != wanted:
                raise
        raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name)

    return find
