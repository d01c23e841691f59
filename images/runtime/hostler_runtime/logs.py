"""One JSON object per line on standard output, so that a log collector needs no parser of ours."""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

_FIELDS = "fields"
_TALKATIVE = ("torchao", "torch.utils._pytree")
"""Libraries that warn at every import of kernels which this device could not use anyway."""


class JsonFormatter(logging.Formatter):
    """Time, level, message, then the fields given to ``event``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        document: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, _FIELDS, {}),
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document, default=str)


def configure(*, level: int = logging.INFO) -> None:
    """Send this package's records to standard output; libraries speak up from WARNING on."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("hostler_runtime").setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)


def event(logger: logging.Logger, message: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Log ``message`` with machine-readable fields beside it."""
    logger.log(level, message, extra={_FIELDS: fields})
