"""How well sequences pack: ``python -m hostler_runtime.packing --histogram FILE --max-length 512 --strategy spfhp``.

The same command as ``hostler data pack``, for the training image, which has no ``hostler``.
"""

from __future__ import annotations

import sys

from hostler_data.pack import main

if __name__ == "__main__":
    sys.exit(main(program="python -m hostler_runtime.packing"))
