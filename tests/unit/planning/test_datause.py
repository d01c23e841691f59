"""A Dataset whose columns a job cannot use is refused before anything is held."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from builders import make_family_job
from tables import table

from hostler.api.dataset import MOST_ROLES
from hostler.api.trainingjob import TrainingJobSpec
from hostler.planning.datause import reject_roles

PREFERENCE: dict[str, Any] = {"objective": "preference", "base": {"name": "large"}, "output": {}}


@table(
    ("family", "roles", "spec", "want"),
    {
        "texts for a decoder": ("chat", ["text"], {}, ""),
        "conversations beside texts": ("chat", ["messages", "text"], {}, ""),
        "texts for an encoder, which may need no labels": ("bert", ["text"], {}, ""),
        "recordings": ("speech-to-text", ["audio", "duration", "text"], {}, ""),
        "texts without recordings": (
            "speech-to-text",
            ["text"],
            {},
            "Dataset books has the columns text, and family speech-to-text learns from audio and text: name the "
            "columns in the Dataset's spec.columns, or take another family.",
        ),
        "a column that nobody named": (
            "chat",
            ["body", "id"],
            {},
            "Dataset books has the columns body, id, and family chat learns from messages; or text: name the columns",
        ),
        "images without captions": ("text-to-image", ["image"], {}, "learns from image and caption (or label)"),
        "judged answers": ("chat", ["prompt", "chosen", "rejected"], PREFERENCE, ""),
        "texts that nobody has judged": (
            "chat",
            ["text"],
            PREFERENCE,
            "objective preference of family chat learns from prompt, chosen and rejected; or prompt, completion and",
        ),
        "judged answers for what learns texts": ("code", ["prompt", "chosen", "rejected"], {}, "learns from text"),
        "nobody knows the columns": ("chat", [], {}, ""),
        "not all of them are known": ("chat", [f"f{n}" for n in range(MOST_ROLES)], {}, ""),
    },
)
def test_columns_that_a_job_cannot_use(family: str, roles: Sequence[str], spec: dict[str, Any], want: str) -> None:
    job = TrainingJobSpec.model_validate(make_family_job(family, **spec)["spec"])
    found = reject_roles(job, roles, path="spec.dataset.ref.name", name="books")
    assert (found.reason if found else "") == ("UnsupportedCombination" if want else "")
    assert found is None or want in found.message
