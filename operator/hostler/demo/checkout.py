"""Where the parts of the source tree lie that are not in the package: the chart and the examples."""

from __future__ import annotations

from pathlib import Path

import hostler
from hostler.local.errors import LocalClusterError


def root() -> Path:
    """The root of the source checkout. Raises where the package was installed without one."""
    found = Path(hostler.__file__).resolve().parents[2]
    if not (found / "helm" / "hostler" / "Chart.yaml").is_file():
        raise LocalClusterError(
            "this command needs the source tree (helm/hostler and examples/)",
            way_out="clone the repository and call `make demo` in it",
        )
    return found
