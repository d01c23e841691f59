"""Why a model is not there, for a condition."""

from __future__ import annotations

from hostler_contract.importing import ImportReason


class ImportFailure(Exception):
    """The import cannot go on; the message names the thing and the way out."""

    def __init__(self, reason: ImportReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
