"""Real text that every Python brings along: the language reference's help topics (licence PSF-2.0)."""

from __future__ import annotations

LIMIT = 600_000
"""Bytes; a ConfigMap holds at most 1 MiB with everything else in it."""


def help_topics(*, limit: int = LIMIT) -> str:
    """The help topics of this Python one after another, cut at the end of a line."""
    from pydoc_data.topics import topics

    text = "\n\n".join(topics[name].strip() for name in sorted(topics))
    return text[: text.rindex("\n", 0, limit) + 1] if len(text) > limit else text
