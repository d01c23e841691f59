"""Whether a model can be used: served, or made into another one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from hostler.api.common import Gate, ModelReference
from hostler.api.model import IMPORTED_SOURCES, ModelReason, ModelSpec
from hostler.api.trainingjob import TrainingJobSpec, TrainingReason
from hostler.families import FamilyName, family
from hostler.planning.imports import is_imported, place_of
from hostler.planning.rejection import Rejection, rejection
from hostler_contract import Objective

Object = dict[str, Any]

SERVABLE_SOURCES = ("pvc",)
SAVE_FILES = "A deletion cannot be taken back: copy the files to another claim now, and describe them with a new Model."


@dataclass(frozen=True, kw_only=True)
class NamedModel:
    """A reference in a spec, and what it leads to."""

    path: str
    """Field of the reference, such as ``spec.base``."""
    reference: ModelReference
    model: ModelSpec | None
    """None where it leads nowhere."""
    part: str | None = None
    """Name of the part, where the reference is one to a part."""
    claim: Object | None = None
    """The claim with its artifacts; None where it does not exist."""
    namespace: str = ""
    going: bool = False
    """Whether the model is being deleted."""
    said: str = ""
    """What the model's own condition says while its files are not there."""

    @property
    def title(self) -> str:
        """``Model tiny``."""
        return f"{self.reference.kind} {self.reference.name}"

    @property
    def obstacle(self) -> tuple[ModelReason, str] | None:
        """Why it is not Ready; None where it is, or does not exist."""
        if self.model is None:
            return None
        if self.going:
            return ModelReason.BEING_DELETED, f"It is being deleted, and its files with it. {SAVE_FILES}"
        if is_imported(self.model.artifacts.source):
            return ModelReason.IMPORTING, self.said or "Its files have not been brought into the namespace yet."
        return obstacle(self.model, claim=self.claim, namespace=self.namespace)


def obstacle(model: ModelSpec, *, claim: Object | None, namespace: str) -> tuple[ModelReason, str] | None:
    """Why a model is not Ready, as its own condition says it; None where it is."""
    source = model.artifacts.source
    if place_of(source) is None:
        known = " or ".join((*SERVABLE_SOURCES, *IMPORTED_SOURCES))
        text = f"spec.artifacts.source.{source.member}: this release serves from {known} only."
        return ModelReason.SOURCE_NOT_SUPPORTED, text
    if source.pvc is not None and (problem := claim_problem(source.pvc.claim_name, claim, namespace=namespace)):
        return problem
    if missed := missed_gates(model):
        return ModelReason.GATE_MISSED, f"{' '.join(missed)} Train a better one, or change spec.gates."
    return None


def claim_problem(name: str, claim: Object | None, *, namespace: str) -> tuple[ModelReason, str] | None:
    """Why artifacts on this claim cannot be counted on; None where they can.

    A claim without a volume is no problem of its own: with a class that waits for the first pod it gets one with it,
    and the volume may have the files already.
    """
    if claim is None:
        return (
            ModelReason.ARTIFACTS_MISSING,
            f"There is no claim {name} in namespace {namespace}: create or restore it.",
        )
    if claim["metadata"].get("deletionTimestamp"):
        text = (
            f"Claim {name} is being deleted and takes no new pod; it goes with the last pod that uses it. {SAVE_FILES}"
        )
        return ModelReason.BEING_DELETED, text
    if (claim.get("status") or {}).get("phase") == "Lost":
        text = f"Claim {name} has lost its volume: bind it to a volume with the files, or create it anew from a copy."
        return ModelReason.ARTIFACTS_MISSING, text
    return None


def missed_gates(model: ModelSpec) -> list[str]:
    """A sentence for each gate that the model's figures do not pass. A figure that is not there passes none."""
    figures = {figure.name: figure.value for figure in model.metrics}
    base = {figure.name: figure.value for figure in model.base_metrics}
    return [said for gate in model.gates if (said := _missed(gate, figures.get(gate.metric), base.get(gate.metric)))]


def _missed(gate: Gate, figure: str | None, base: str | None) -> str:
    bounds = list(_bounds(gate, base))
    asked = " and ".join(f"at {'least' if bound.least else 'most'} {bound.words}" for bound in bounds)
    if figure is None:
        return f"{gate.metric} was not measured, and a gate asks for {asked}."
    if all(bound.holds(_number(figure)) for bound in bounds):
        return ""
    return f"{gate.metric} is {figure}, and a gate asks for {asked}."


@dataclass(frozen=True, kw_only=True)
class _Bound:
    least: bool
    value: float
    """No number where the figure that it refers to is not known: nothing passes it."""
    words: str

    def holds(self, figure: float) -> bool:
        """Not "not above" and "not below": what is no number compares as neither."""
        return figure >= self.value if self.least else figure <= self.value


def _bounds(gate: Gate, base: str | None) -> Iterator[_Bound]:
    for least, bound in ((True, gate.min), (False, gate.max)):
        if bound is not None:
            yield _Bound(least=least, value=float(bound), words=bound)
    for least, share in ((True, gate.min_relative), (False, gate.max_relative)):
        if share is not None:
            value = float("nan") if base is None else _product(share, base)
            words = f"{share} of the base's {base}" if base is not None else f"{share} of a base's, which is not known"
            yield _Bound(least=least, value=value, words=words)


def _product(share: str, base: str) -> float:
    """In decimals, as people write them: 0.9 of 0.8 is 0.72, and not a little more."""
    try:
        return float(Decimal(share) * Decimal(base))
    except InvalidOperation:
        return float("nan")


def _number(figure: str) -> float:
    try:
        return float(figure)
    except ValueError:
        return float("nan")


def reject_inputs(spec: TrainingJobSpec, inputs: Iterable[NamedModel]) -> Rejection | None:
    """The first thing that speaks against one of the models that a job's model is made from."""
    for named in inputs:
        if found := reject_model(named, families=_families_for(spec, named)):
            return found
        if found := _reject_rounded(spec, named) or _reject_context(spec, named):
            return found
    return None


def _reject_rounded(spec: TrainingJobSpec, named: NamedModel) -> Rejection | None:
    """8-bit integers have no gradient, and nothing smaller to be rounded to. A teacher is only listened to."""
    model = named.model
    if model is None or named.part is not None or spec.objective is Objective.DISTILL:
        return None
    how = rounding(model)
    if how is None:
        return None
    base = model.lineage.base if model.lineage else None
    start = f"{base.kind} {base.name}, from which it was made" if base else "the model that it was made from"
    text = (
        f"{named.title} is quantized ({how}), and objective {spec.objective} needs weights that are not: start from "
        f"{start}, and quantize what comes out"
    )
    return rejection(TrainingReason.INCOMPATIBLE_MODEL, named.path, text)


def _reject_context(spec: TrainingJobSpec, named: NamedModel) -> Rejection | None:
    """Sequences that the base was not made for. A student may have a context of its own where it reads its own rows."""
    limit = named.model.architecture.context_length if named.model and named.model.architecture else None
    knows = family(spec.family.value)
    if limit is None or named.part is not None or not knows.packs:
        return None
    sizes = getattr(spec.output.network, knows.block)
    asked = {"spec.training.contextLength": spec.training.context_length}
    if sizes is not None:
        asked[f"spec.output.{knows.block}.contextLength"] = sizes.context_length
    if spec.objective is Objective.DISTILL and knows.block != "transformer":
        return None
    for path, length in asked.items():
        if length is not None and length > limit:
            text = f"{length:,} tokens are more than the {limit:,} that {named.title} was made for: lower it"
            return rejection(TrainingReason.INCOMPATIBLE_MODEL, path, text)
    return None


def rounding(model: ModelSpec) -> str | None:
    """How a model's weights are rounded; None where they are not. Those of older releases say only what made them."""
    if model.architecture is not None and model.architecture.quantization is not None:
        return model.architecture.quantization
    made = model.lineage.objective if model.lineage else None
    return "int8" if made == Objective.QUANTIZE else None


def stored_in_halves(model: ModelSpec) -> bool:
    """Whether most weights are stored in two bytes each. Some files hold a matrix twice, so the figure is no whole
    one; of a model that is quantized, or of which nobody knows the sizes, nothing is said."""
    parameters = model.architecture.parameters if model.architecture is not None else None
    if model.memory is None or parameters is None or rounding(model) is not None:
        return False
    return model.memory.weights_bytes < 3 * parameters


def reject_model(named: NamedModel, *, families: Sequence[FamilyName]) -> Rejection | None:
    """What speaks against a model in the place where a spec names it."""
    model = named.model
    if model is None:
        where = f" in namespace {named.namespace}" if named.reference.kind == "Model" else ""
        text = f"there is no {named.title}{where}: create it, or name another one"
        return rejection(TrainingReason.MODEL_NOT_FOUND, named.path, text)
    if model.family is None:
        text = f"{named.title} is not ready: {(named.obstacle or ('', 'its family is not known'))[1]}"
        return rejection(TrainingReason.MODEL_NOT_READY, named.path, text)
    if model.family not in families:
        text = f"{named.title} is of family {model.family}; needed here: {', '.join(families)}"
        return rejection(TrainingReason.INCOMPATIBLE_MODEL, named.path, text)
    if found := named.obstacle:
        return rejection(TrainingReason.MODEL_NOT_READY, named.path, f"{named.title} is not ready: {found[1]}")
    return None


def _families_for(spec: TrainingJobSpec, named: NamedModel) -> tuple[FamilyName, ...]:
    """A base is of the job's own family; a part may come from any family that has it."""
    return (spec.family,) if named.part is None else family(spec.family.value).parts.get(named.part, ())
