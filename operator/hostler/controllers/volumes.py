"""From the claims that pods mount to the nodes that can mount them."""

from __future__ import annotations

from collections.abc import Iterable

from hostler.controllers.ports import Reader
from hostler.planning.volumes import Reach, reach_of


async def reaches(reader: Reader, claims: Iterable[str], *, namespace: str) -> tuple[Reach, ...]:
    """Where the volumes of these claims can be mounted, of those that not every node can mount; sorted.

    A claim without a volume, or that is not there, ties nobody. Raises ``hostler.cluster.errors.ApiError``.
    """
    found: set[Reach] = set()
    for name in set(claims):
        claim = reader.get("PersistentVolumeClaim", namespace=namespace, name=name)
        volume_name = ((claim or {}).get("spec") or {}).get("volumeName")
        if not volume_name:
            continue
        volume = await reader.volume(volume_name)
        reach = reach_of(volume) if volume is not None else None
        if reach is not None:
            found.add(reach)
    return tuple(sorted(found))
