"""Looks at a dataset once: ``python -m hostler_runtime.dataset``, the container of a Dataset's Job.

Reads ``/etc/hostler/dataset.json``, leaves a ``DatasetReport`` as the termination message. Exit status 1 where the data
could not be looked at at all, so that the Job tries again; data with errors in it is a result like any other, and so is
data that is none of the format that was named: another look would find the same.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hostler_contract import DatasetReport, ErrorReason, InspectionConfig
from hostler_data.describe import describe
from hostler_runtime.errors import classify
from hostler_runtime.job import read_message
from hostler_runtime.logs import configure, event
from hostler_runtime.training.sources import open_source

DEFAULT_CONFIG = "/etc/hostler/dataset.json"
CONFIG_VARIABLE = "HOSTLER_DATASET_CONFIG"
TERMINATION_LOG = "/dev/termination-log"

logger = logging.getLogger(__name__)


def inspect(environ: Mapping[str, str], *, cache: Path) -> DatasetReport:
    """What the data is, or why that cannot be said."""
    try:
        path = Path(environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG)
        config = read_message(InspectionConfig, path, what="the configuration")
        records = open_source(config.dataset, cache=cache)
        return describe(records, max_length=config.max_length)
    except Exception as error:
        # Whatever it is, the user hears of it in the Dataset's condition.
        failure = classify(error)
        if failure.reason is ErrorReason.INTERNAL:
            logger.exception("the dataset could not be looked at")
        return DatasetReport(reason=failure.reason, message=failure.message)


def main() -> int:
    """The container's entry point."""
    configure()
    with tempfile.TemporaryDirectory() as scratch:
        report = inspect(os.environ, cache=Path(scratch))
    event(logger, "dataset inspected", rows=report.rows, errors=report.error_count, reason=report.reason)
    log = Path(os.environ.get("HOSTLER_TERMINATION_LOG") or TERMINATION_LOG)
    log.write_text(report.to_termination_message(), encoding="utf-8")
    return 0 if report.reason in (None, ErrorReason.DATASET_INVALID) else 1


if __name__ == "__main__":
    sys.exit(main())
