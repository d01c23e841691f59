"""Logs a lasting problem once, and its end once, instead of once a second."""

from __future__ import annotations

import logging


class Notices:
    """The last message for each subject."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._said: dict[str, str] = {}

    def say(self, subject: str, problem: str | None) -> None:
        """Log the problem where it is new; log its end where there is none any more."""
        before = self._said.get(subject)
        if problem is None:
            if self._said.pop(subject, None) is not None:
                self._log.info("%s: all right again", subject)
        elif problem != before:
            self._said[subject] = problem
            self._log.warning("%s: %s", subject, problem)
