"""What inspections and imports have in common: a Job of one pod with a ConfigMap of its name."""

from __future__ import annotations

from collections.abc import Iterable

from hostler.controllers.ports import Object, Reader


async def with_files(reader: Reader, jobs: Iterable[Object]) -> tuple[Object, ...]:
    """Jobs with their files, to be deleted; the Job goes last, because only it can be found by label."""
    found: list[Object] = []
    for job in jobs:
        metadata = job["metadata"]
        config = await reader.live("ConfigMap", namespace=metadata["namespace"], name=metadata["name"])
        found += [child for child in (config, job) if child is not None]
    return tuple(found)
