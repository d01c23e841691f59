"""``python -m hostler_runtime.serve``: the entry point of the serving container."""

from __future__ import annotations

import sys

from hostler_runtime.server.process import main

if __name__ == "__main__":
    sys.exit(main())
