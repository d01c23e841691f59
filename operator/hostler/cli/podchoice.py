"""Which pod's log is meant by a job, an attempt and a rank."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import click

from hostler.manifests.naming import ATTEMPT, DATASET, INFERENCE_SERVICE, MODEL, PREPARATION, TRAINING_JOB
from hostler.planning.pods import INDEX, OWN_CONTAINERS

Object = dict[str, Any]

OWNER_LABELS = {
    "TrainingJob": TRAINING_JOB,
    "InferenceService": INFERENCE_SERVICE,
    "Model": MODEL,
    "Dataset": DATASET,
}
"""Label of the pods of each kind: its name."""


def selector_of(obj: Object, *, preparation: bool = False) -> str:
    """Label selector of an object's pods; of those that prepare its data, where those are meant."""
    label = PREPARATION if preparation else OWNER_LABELS[obj["kind"]]
    return f"{label}={obj['metadata']['name']}"


def chosen(obj: Object, pods: Sequence[Object], *, attempt: int | None, rank: int | None) -> Object | None:
    """The pod that is meant, None where there is none at all: of a job rank 0 of the newest attempt, of others the
    newest. Raises ``click.ClickException`` where attempt or rank are none of those that are there."""
    if obj["kind"] != "TrainingJob":
        if attempt is not None or rank is not None:
            raise click.UsageError(f"--attempt and --rank are for jobs: {obj['kind']} has no attempts")
        return max(pods, key=_newest, default=None)
    if not pods:
        return None
    attempts = sorted({attempt_of(pod) for pod in pods})
    wanted = attempts[-1] if attempt is None else attempt
    if wanted not in attempts:
        raise click.ClickException(
            f"there are no pods of attempt {wanted} any more: there are those of {_listed(attempts)}"
        )
    those = [pod for pod in pods if attempt_of(pod) == wanted]
    ranks = sorted({rank_of(pod) for pod in those})
    position = ranks[0] if rank is None else rank
    if position not in ranks:
        raise click.ClickException(f"attempt {wanted} has no pod of rank {position}: there are ranks {_listed(ranks)}")
    return max((pod for pod in those if rank_of(pod) == position), key=_newest)


def container_of(pod: Object) -> str:
    """Ours, whatever sidecars were added."""
    names = [container["name"] for container in pod["spec"]["containers"]]
    return str(next((name for name in names if name in OWN_CONTAINERS), names[0]))


def attempt_of(pod: Object) -> int:
    """The attempt that a trainer belongs to."""
    return int((pod["metadata"].get("labels") or {}).get(ATTEMPT, 0))


def rank_of(pod: Object) -> int:
    """The place of a trainer among its peers."""
    metadata = pod["metadata"]
    return int((metadata.get("annotations") or {}).get(INDEX) or (metadata.get("labels") or {}).get(INDEX) or 0)


def others(pod: Object, pods: Iterable[Object]) -> int:
    """How many pods there are besides."""
    return sum(each["metadata"]["name"] != pod["metadata"]["name"] for each in pods)


def _newest(pod: Object) -> tuple[str, str]:
    return str(pod["metadata"].get("creationTimestamp", "")), pod["metadata"]["name"]


def _listed(numbers: Sequence[int]) -> str:
    if len(numbers) > 4 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers))
