"""Diffusion of clips from a text."""

from __future__ import annotations

from types import MappingProxyType

from hostler.families.family import FROM_SCRATCH, Family
from hostler.families.names import FamilyName
from hostler_contract import Objective, SampleRequest, Supervision


class TextToVideo(Family):
    """An autoencoder, a text encoder, a 3-D U-Net and a super-resolution stage (arXiv 2210.02303)."""

    name = FamilyName.TEXT_TO_VIDEO
    task = "text-to-video"
    apis = ("/v1/videos", "/v1/models")
    unit = "clips"
    block = "video"
    formats = ("images", "jsonl", "csv", "parquet", "webdataset")
    objectives = FROM_SCRATCH | {Objective.PRUNE}
    lora = True
    supervisions = frozenset({Supervision.SELF_SUPERVISED})
    parts = MappingProxyType(
        {
            "autoencoder": (FamilyName.VAE, FamilyName.TEXT_TO_IMAGE, FamilyName.TEXT_TO_VIDEO),
            "text_encoder": (FamilyName.TEXT_TO_IMAGE, FamilyName.TEXT_TO_VIDEO),
        }
    )

    def sample_request(self) -> SampleRequest:
        """One clip in few steps; the answer comes when it is finished."""
        body = {"prompt": "a sample", "steps": 2, "wait": True}
        return SampleRequest(path="/v1/videos", body=body, expect="completed_at")
