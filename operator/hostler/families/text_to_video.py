"""Diffusion of clips from a text."""

from __future__ import annotations

from hostler.families.family import Family
from hostler.families.names import FamilyName
from hostler_contract import SampleRequest


class TextToVideo(Family):
    """A text encoder, a 3-D U-Net and a super-resolution stage (arXiv 2210.02303)."""

    name = FamilyName.TEXT_TO_VIDEO
    task = "text-to-video"
    apis = ("/v1/videos", "/v1/models")
    unit = "clips"
    block = "video"
    formats = ("jsonl", "parquet", "webdataset")

    def sample_request(self) -> SampleRequest:
        """One clip in few steps; the answer comes when it is finished."""
        return SampleRequest(path="/v1/videos", body={"prompt": "a sample", "steps": 2, "wait": True}, expect="id")
