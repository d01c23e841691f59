"""A transcript as subtitles. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from hostler_runtime.protocols.tasks import Segment


def srt(segments: Sequence[Segment]) -> str:
    """SubRip: numbered blocks, times with a comma."""
    blocks = [
        f"{number}\n{_clock(one.start, ',')} --> {_clock(one.end, ',')}\n{one.text.strip()}\n"
        for number, one in enumerate(segments, start=1)
    ]
    return "\n".join(blocks)


def vtt(segments: Sequence[Segment]) -> str:
    """WebVTT: a header, blocks, times with a point. ``-->`` may not stand in a text."""
    blocks = [
        f"{_clock(one.start, '.')} --> {_clock(one.end, '.')}\n{one.text.strip().replace('-->', '->')}\n"
        for one in segments
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def _clock(seconds: float, mark: str) -> str:
    milliseconds = round(max(0.0, seconds) * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}{mark}{rest % 1000:03d}"
