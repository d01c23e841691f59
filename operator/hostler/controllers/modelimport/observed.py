"""Everything that one decision about an import looks at, frozen."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ValidationError

from hostler.api.model import ModelImport, ModelSpec, ModelStatus, ModelUser
from hostler.controllers.ports import Object
from hostler.planning import pods as read
from hostler.planning.imports import imported_of
from hostler_contract.importing import ImportProgress, ImportReport


@dataclass(frozen=True, kw_only=True)
class Observed:
    """One moment of a model and of what imports it."""

    model: Object
    spec: ModelSpec
    status: ModelStatus
    job: Object | None = None
    """The Job that imports what the spec says now."""
    pods: tuple[Object, ...] = ()
    """Its pods."""
    claim: Object | None = None
    """The claim with the files."""
    progress: ImportProgress | None = None
    """What a running pod last said."""
    refused: str = ""
    """Sentence where its pods are refused."""
    held_up: str = ""
    """Sentence where its pod cannot mount, or the claim has no volume."""
    obsolete: tuple[Object, ...] = ()
    """Jobs of what the spec said earlier, and their files."""
    spent: tuple[Object, ...] = ()
    """The Job of now with its file, where it has ended."""
    users: tuple[ModelUser, ...] = ()

    @property
    def name(self) -> str:
        return str(self.model["metadata"]["name"])

    @property
    def generation(self) -> int:
        """The spec's generation."""
        return int(self.model["metadata"].get("generation") or 0)

    @property
    def imported(self) -> ModelImport | None:
        """What status says of this very source."""
        return imported_of(self.spec, self.status)

    @property
    def ended_at(self) -> str | None:
        """When the Job gave up or succeeded; None while it may start another pod."""
        conditions = ((self.job or {}).get("status") or {}).get("conditions") or ()
        over = (c for c in conditions if c["type"] in {"Complete", "Failed"} and c.get("status") == "True")
        return next((str(c.get("lastTransitionTime") or "") for c in over), None)

    @property
    def report(self) -> ImportReport | None:
        """The last words of the pod that ended last, where they make sense; success before failure."""
        endings = sorted((end for pod in self.pods for end in read.endings(pod)), key=lambda end: end.finished_at)
        reports = [found for end in endings if (found := _report(end.message)) is not None]
        return next((report for report in reports if report.reason is None), reports[-1] if reports else None)


def _report(message: str) -> ImportReport | None:
    try:
        return ImportReport.from_json(message)
    except ValidationError:
        return None
