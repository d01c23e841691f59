"""What each family can do on each accelerator: one verdict, one image variant and one sentence for people.

The rules are data: ``compatibility.yaml``, the type's ``variant`` and its ``inferenceOnly``. Nothing here names a
type or a family.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from typing import Literal

import yaml
from pydantic import Field, model_validator

from hostler.accelerators.facts import Fact
from hostler.accelerators.model import AcceleratorType
from hostler.api.common import Family

OWN_IMAGE = "own"
"""The variant of a family that brings its own image: nothing of ours runs in the pod."""

SIMULATED_VARIANT = "cpu"
"""Pods that hold simulated devices compute on their CPU cores."""


class Verb(StrEnum):
    """What somebody wants to do with a model."""

    TRAIN = "train"
    SERVE = "serve"


class Verdict(StrEnum):
    """How sure it is that it works."""

    TESTED = "tested"
    """The tests of this repository run it."""
    EXPECTED = "expected"
    """Nothing speaks against it, but no test here ran on such hardware."""
    IMPOSSIBLE = "impossible"
    """Refused, with the reason."""


class FamilyRule(Fact):
    """Who brings the code of a family."""

    bundled: bool = False
    own: bool = False


class Variant(Fact):
    """Where the image comes from that drives a type."""

    image: Literal["bundled", "build", "bring"]
    software: str


class Tested(Fact):
    """A pair that tests of this repository run."""

    family: Family
    variant: str
    verbs: tuple[Verb, ...]


class Rules(Fact):
    """The schema of ``compatibility.yaml``."""

    families: dict[Family, FamilyRule]
    variants: dict[str, Variant]
    tested: tuple[Tested, ...]
    remarks: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _every_family_has_a_rule(self) -> Rules:
        missing = [family.value for family in Family if family not in self.families]
        if missing:
            raise ValueError(f"families without a rule: {', '.join(missing)}")
        return self


@dataclass(frozen=True, slots=True)
class Compatibility:
    """The answer for one family on one accelerator."""

    verdict: Verdict
    variant: str
    """Variant of the runtime image (``cpu``, ``cuda``, ...), or ``own`` for a family that brings its image."""
    reason: str
    """A sentence or two that users read as they stand."""
    image: Literal["bundled", "build", "bring"]
    """Whether that image is bundled, built from our Containerfile with a build argument, or to be brought."""

    @property
    def possible(self) -> bool:
        """False where it is refused."""
        return self.verdict is not Verdict.IMPOSSIBLE


@functools.cache
def rules() -> Rules:
    """The data file. Raises ``ValueError`` where it does not fit the schema."""
    text = resources.files("hostler.accelerators").joinpath("compatibility.yaml").read_text(encoding="utf-8")
    return Rules.model_validate(yaml.safe_load(text))


def compatibility(*, family: str, accelerator: AcceleratorType, verb: Verb, simulated: bool = False) -> Compatibility:
    """Whether a family can be trained or served on an accelerator, with which image, and why.

    ``simulated`` is what the pool's status says. What the real device never does is refused on a simulated one too,
    so that a manifest that works in the simulation is not refused by the hardware. Raises ``ValueError`` for a
    family without a name in the API.
    """
    rule = rules().families[Family(family)]
    if verb is Verb.TRAIN and accelerator.inference_only is not None:
        return _impossible(rule, accelerator, accelerator.inference_only)
    if rule.own:
        return _own_image(accelerator)
    if not rule.bundled:
        sentence = f"The bundled runtime of this release has no {family} family; family custom runs your own image."
        return _impossible(rule, accelerator, sentence)
    if simulated and accelerator.variant != SIMULATED_VARIANT:
        return _simulated(Family(family), accelerator, verb)
    return _by_variant(Family(family), accelerator, verb)


def _impossible(rule: FamilyRule, accelerator: AcceleratorType, reason: str) -> Compatibility:
    variant = OWN_IMAGE if rule.own else accelerator.variant
    return Compatibility(Verdict.IMPOSSIBLE, variant, reason, "bring" if rule.own else _variant(accelerator).image)


def _own_image(accelerator: AcceleratorType) -> Compatibility:
    reason = f"Your own image runs on it as long as it brings what drives the {accelerator.model}."
    return Compatibility(Verdict.EXPECTED, OWN_IMAGE, reason, "bring")


def _simulated(family: Family, accelerator: AcceleratorType, verb: Verb) -> Compatibility:
    reason = (
        f"The {accelerator.model} is simulated: the pod computes on its CPU cores with the cpu variant, so its speed "
        "says nothing about the real device."
    )
    verdict = Verdict.TESTED if _is_tested(family, SIMULATED_VARIANT, verb) else Verdict.EXPECTED
    return Compatibility(verdict, SIMULATED_VARIANT, reason, rules().variants[SIMULATED_VARIANT].image)


def _by_variant(family: Family, accelerator: AcceleratorType, verb: Verb) -> Compatibility:
    name, variant = accelerator.variant, _variant(accelerator)
    verdict = Verdict.TESTED if _is_tested(family, name, verb) else Verdict.EXPECTED
    match variant.image:
        case "bundled":
            reason = f"The bundled image runs {variant.software}."
        case "build":
            reason = f"Build the runtime image as variant {name}: {variant.software} drives it."
        case "bring":
            reason = f"Bring an image of variant {name} that keeps the runtime contract: {variant.software} drives it."
    if verdict is Verdict.EXPECTED:
        reason += " No test of this release ran on such hardware."
    remark = rules().remarks.get(accelerator.id)
    return Compatibility(verdict, name, f"{reason} {remark}" if remark else reason, variant.image)


def _variant(accelerator: AcceleratorType) -> Variant:
    try:
        return rules().variants[accelerator.variant]
    except KeyError:
        raise ValueError(
            f"{accelerator.id}: variant {accelerator.variant!r} has no entry in compatibility.yaml"
        ) from None


def _is_tested(family: Family, variant: str, verb: Verb) -> bool:
    return any(t.family is family and t.variant == variant and verb in t.verbs for t in rules().tested)
