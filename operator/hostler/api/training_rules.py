"""Rules of a TrainingJob that follow from what its family can do, generated from the families' own facts.

The API server refuses a combination that no trainer could honour, before anything waits for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from hostler.api.data import DataFormat
from hostler.api.network import BLOCKS
from hostler.api.objectives import PruneMethod
from hostler.api.schema import cel
from hostler.families import Family, families
from hostler_contract import Objective, Supervision

Rule = dict[str, str]

_TRAINABLE = tuple(entry for entry in families().values() if entry.training.available)
_FROM_A_BASE = tuple(objective for objective in Objective if objective.needs_base)
_SECTIONS = {
    "lora": (Objective.FINETUNE, Objective.PREFERENCE),
    "preference": (Objective.PREFERENCE,),
    "distill": (Objective.DISTILL,),
    "prune": (Objective.PRUNE,),
    "quantize": (Objective.QUANTIZE,),
    # A preference learns from verdicts, a pupil from its teacher.
    "supervision": (Objective.PRETRAIN, Objective.FINETUNE, Objective.PRUNE, Objective.QUANTIZE),
}
"""Field of the spec to the objectives beside which it has a meaning."""
PARTS = ("autoencoder", "textEncoder")
"""Fields of spec.parts; their names in a family's facts are the same with underscores."""


def family_rules() -> list[Rule]:
    """Every rule about family, objective, sections and sizes, in the order of the spec's fields."""
    return [*_objectives(), *_sections(), *_supervisions(), *_bases(), *_blocks(), *_parts(), *_data(), *_training()]


def _objectives() -> Iterator[Rule]:
    for entry in _TRAINABLE:
        if missing := [objective for objective in Objective if objective not in entry.objectives]:
            known = ", ".join(objective for objective in Objective if objective in entry.objectives)
            yield cel(
                f"self.family != '{entry.name}' || !(self.objective in {_list(missing)})",
                f"family {entry.name} has no such objective; it has {known}",
                field_path=".objective",
            )


def _sections() -> Iterator[Rule]:
    for section, objectives in _SECTIONS.items():
        yield cel(
            f"!has(self.{section}) || self.objective in {_list(objectives)}",
            f"{section} belongs to objective {' or '.join(objectives)}: remove it, or set objective",
            field_path=f".{section}",
        )
    able = [entry for entry in _TRAINABLE if entry.lora]
    yield _only_for(able, condition="has(self.lora)", path=".lora", what="trains low-rank adapters")
    yield _only_for(
        [entry for entry in _TRAINABLE if entry.shrinks],
        condition=f"has(self.prune) && self.prune.method == '{PruneMethod.STRUCTURED}'",
        path=".prune.method",
        what="has channels that can be removed; others are pruned unstructured",
    )
    yield cel(
        f"!has(self.semiSupervised) || (has(self.supervision) && self.supervision == '{Supervision.SEMI_SUPERVISED}')",
        f"semiSupervised belongs to supervision {Supervision.SEMI_SUPERVISED}: remove it, or set supervision",
        field_path=".semiSupervised",
    )


def _supervisions() -> Iterator[Rule]:
    for entry in _TRAINABLE:
        if len(entry.supervisions) < len(Supervision):
            yield _learns(f"family {entry.name}", entry.supervisions, where=f"self.family == '{entry.name}'")
        if not entry.heads:
            continue
        for head, supervisions in entry.heads.items():
            network = f"self.output.{entry.block}"
            yield _learns(f"head {head}", supervisions, where=f"has({network}) && {network}.head == '{head}'")
        # Only the trainer sees the base's head, and of the values it reads this one alone.
        yield cel(
            f"self.family != '{entry.name}' || !has(self.supervision) || has(self.output.{entry.block}) || "
            f"self.supervision == '{Supervision.SEMI_SUPERVISED}'",
            f"only the trainer knows the head of a base: leave supervision out, or give output.{entry.block}",
            field_path=".supervision",
        )


def _learns(subject: str, supervisions: frozenset[Supervision], *, where: str) -> Rule:
    fitting = [supervision for supervision in Supervision if supervision in supervisions]
    return cel(
        f"!({where}) || !has(self.supervision) || self.supervision in {_list(fitting)}",
        f"{subject} learns {' or '.join(fitting)}: say that, or leave supervision out",
        field_path=".supervision",
    )


def _bases() -> Iterator[Rule]:
    yield cel(
        f"has(self.base) || !(self.objective in {_list(_FROM_A_BASE)})",
        f"objectives {', '.join(_FROM_A_BASE)} start from a model: name it in base",
        field_path=".base",
    )
    yield cel(
        f"!has(self.base) || self.objective in {_list(_FROM_A_BASE)}",
        "pretrain starts from random weights: remove base, or set objective to finetune",
        field_path=".base",
    )


def _blocks() -> Iterator[Rule]:
    for block in BLOCKS:
        names = [entry.name for entry in _TRAINABLE if entry.block == block]
        if not names:
            continue
        yield cel(
            f"!(self.family in {_list(names)}) || has(self.base) || has(self.output.{block})",
            f"family {' or '.join(names)} needs output.{block}, the sizes of its network, unless base names a model",
            field_path=".output",
        )
        yield cel(
            f"!has(self.output.{block}) || self.family in {_list(names)}",
            f"output.{block} describes the network of family {' or '.join(names)}: remove it, or set family",
            field_path=f".output.{block}",
        )
        yield cel(
            f"self.objective != 'distill' || !(self.family in {_list(names)}) || has(self.output.{block})",
            f"distill teaches a smaller model: give its sizes in output.{block}",
            field_path=".output",
        )
    yield cel(
        "!has(self.output.diffusion) || has(self.output.diffusion.autoencoder) || has(self.base) || "
        "(has(self.parts) && has(self.parts.autoencoder))",
        "latent diffusion needs an autoencoder: give output.diffusion.autoencoder, or name a Model in "
        "parts.autoencoder",
        field_path=".output.diffusion",
    )


def _parts() -> Iterator[Rule]:
    yield cel(
        "!has(self.parts) || !has(self.base)",
        "parts belong to a model from scratch: a base brings its own",
        field_path=".parts",
    )
    for part in PARTS:
        yield _only_for(
            [entry for entry in _TRAINABLE if _snake(part) in entry.parts],
            condition=f"has(self.parts) && has(self.parts.{part})",
            path=f".parts.{part}",
            what=f"takes its {part} from another model",
        )


def _data() -> Iterator[Rule]:
    for entry in _TRAINABLE:
        if missing := [form for form in DataFormat if form not in entry.formats]:
            yield cel(
                f"self.family != '{entry.name}' || has(self.dataset.ref) || !(self.dataset.format in {_list(missing)})",
                f"family {entry.name} learns from data of format {', '.join(entry.formats)}",
                field_path=".dataset.format",
            )


def _training() -> Iterator[Rule]:
    packing = "self.training.packing"
    yield _only_for(
        [entry for entry in _TRAINABLE if entry.packs],
        condition=f"({packing}.mode != 'auto' || {packing}.strategy != 'best-fit' || has({packing}.maxPerPack))",
        path=".training.packing",
        what="has sequences that can be packed; others leave packing out",
    )
    yield cel(
        f"self.objective != 'preference' || ({packing}.strategy == 'best-fit' && !has({packing}.maxPerPack))",
        "objective preference gives each sequence a row of its own, padded: remove strategy and maxPerPack",
        field_path=".training.packing",
    )
    yield cel(
        "self.training.overlong == 'truncate' || self.family in ['chat', 'bert'] || self.objective == 'preference'",
        "only conversations (family chat), labelled texts and questions (bert), and judged answers (objective "
        "preference) are one sequence or none; other texts are cut: remove overlong",
        field_path=".training.overlong",
    )
    yield cel(
        "self.training.overlong == 'truncate' || !has(self.output.encoder) || self.output.encoder.head != 'masked-lm'",
        "texts are cut into pieces for head masked-lm: remove overlong, or take another head",
        field_path=".training.overlong",
    )
    yield _only_for(
        [entry for entry in _TRAINABLE if entry.packs],
        condition="has(self.training.contextLength)",
        path=".training.contextLength",
        what="reads sequences of tokens; others leave contextLength out",
    )
    for block in sorted({entry.block for entry in _TRAINABLE if entry.packs}):
        yield cel(
            f"!has(self.training.contextLength) || !has(self.output.{block}) || "
            f"self.training.contextLength <= self.output.{block}.contextLength",
            f"sequences are longer than the network reads: lower training.contextLength, or raise "
            f"output.{block}.contextLength",
            field_path=".training.contextLength",
        )
    yield _only_for(
        [entry for entry in _TRAINABLE if entry.shards],
        condition="self.training.parallelism == 'sharded'",
        path=".training.parallelism",
        what="can be sharded; others are replicated",
    )


def _only_for(able: Sequence[Family], *, condition: str, path: str, what: str) -> Rule:
    """What only some families can do. ``what`` goes on after their names."""
    names = [entry.name for entry in able]
    subject = f"only family {', '.join(names)}" if names else "no family"
    return cel(f"!({condition}) || self.family in {_list(names)}", f"{subject} {what}", field_path=path)


def _list(names: Iterable[str]) -> str:
    return "[" + ", ".join(f"'{name}'" for name in names) + "]"


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
