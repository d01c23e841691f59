"""What people call the kinds when they type: `jobs`, `trainingjob`, `tjob`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

import click

from hostler.api.kinds import KINDS

WORDS: Mapping[str, str] = {
    "TrainingJob": "jobs",
    "InferenceService": "services",
    "Model": "models",
    "Dataset": "datasets",
    "AcceleratorPool": "pools",
}
"""The short word of each kind that `hostler get` lists."""


def _words() -> dict[str, str]:
    found: dict[str, str] = {}
    for kind in KINDS:
        if kind.kind in WORDS:
            word = WORDS[kind.kind]
            for each in (word, word.removesuffix("s"), kind.plural, kind.singular, *kind.short_names):
                found[each] = kind.kind
    return found


KIND_WORDS: Mapping[str, str] = _words()
"""Every word for a kind, in small letters."""


def kind_of(word: str, *, kinds: Sequence[str] = tuple(WORDS)) -> str:
    """The kind that a word means, one of these. Raises ``BadParameter`` with the words that there are."""
    kind = KIND_WORDS.get(word.lower().partition(".")[0])
    if kind in kinds:
        return str(kind)
    known = [WORDS[each] for each in kinds]
    near = difflib.get_close_matches(word.lower(), [each for each, of in KIND_WORDS.items() if of in kinds], n=1)
    hint = f": did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
    raise click.BadParameter(f"{word!r} is no kind that this command knows{hint}", param_hint="KIND")


def kind_and_name(given: str, *, kinds: Sequence[str]) -> tuple[str, str]:
    """Of NAME or KIND/NAME; the kind is empty where it is not said. Raises ``BadParameter``."""
    word, slash, name = given.rpartition("/")
    if not slash:
        return "", given
    if not name or not word or "/" in word:
        ways = " or ".join(f"{WORDS[each].removesuffix('s')}/NAME" for each in kinds)
        raise click.BadParameter(f"{given!r}: write NAME or {ways}", param_hint="NAME")
    return kind_of(word, kinds=kinds), name
