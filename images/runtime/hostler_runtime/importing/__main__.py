"""The container of a Model's import: ``python -m hostler_runtime.importing``.

Reads ``/etc/hostler/import.json``, answers ``GET /progress`` meanwhile, leaves an ``ImportReport`` as the termination
message. Exit status ``FOR_GOOD`` where another try would not help, 1 where it may.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path

from hostler_contract.importing import FOR_GOOD, ImportConfig, ImportReason, ImportReport
from hostler_runtime.errors import RuntimeFailure
from hostler_runtime.importing.facts import Known
from hostler_runtime.importing.meter import Meter
from hostler_runtime.importing.origins import Tools
from hostler_runtime.importing.run import bring
from hostler_runtime.importing.window import ProgressWindow
from hostler_runtime.job import read_message
from hostler_runtime.logs import configure, event

DEFAULT_CONFIG = "/etc/hostler/import.json"
CONFIG_VARIABLE = "HOSTLER_IMPORT_CONFIG"
PORT_VARIABLE = "HOSTLER_IMPORT_PORT"
TERMINATION_LOG = "/dev/termination-log"
_PORT = 8080

logger = logging.getLogger(__name__)


def known() -> Known:
    """What transformers reads without code from a repository."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    decoders: set[str] = set()
    for names in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values():
        decoders.update([names] if isinstance(names, str) else names)
    return Known(decoders=decoders, types=set(CONFIG_MAPPING_NAMES))


def run() -> ImportReport:
    """Import as the file says."""
    try:
        path = Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG)
        config = read_message(ImportConfig, path, what="the configuration")
    except RuntimeFailure as failure:
        return ImportReport(reason=ImportReason.INTERNAL, message=failure.message)
    meter = Meter(now=time.monotonic())
    window = ProgressWindow(
        lambda: meter.progress(now=time.monotonic()), port=int(os.environ.get(PORT_VARIABLE) or _PORT)
    )
    try:
        return bring(
            config,
            Tools(environ=os.environ, meter=meter, clock=time.monotonic, pause=time.sleep, known=known),
        )
    finally:
        window.close()


def main() -> int:
    """The container's entry point."""
    configure()
    report = run()
    event(logger, "import ended", bytes=report.size_bytes, reason=report.reason, said=report.message)
    log = Path(os.environ.get("HOSTLER_TERMINATION_LOG") or TERMINATION_LOG)
    log.write_text(report.to_termination_message(), encoding="utf-8")
    if report.reason is None:
        return 0
    return 1 if report.reason.passing else FOR_GOOD


if __name__ == "__main__":
    sys.exit(main())
