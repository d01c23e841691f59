"""Latent diffusion: images from a text."""

from __future__ import annotations

from types import MappingProxyType

from hostler.families.family import FROM_SCRATCH, Family
from hostler.families.names import FamilyName
from hostler_contract import Objective, SampleRequest, Supervision


class TextToImage(Family):
    """An autoencoder, a text encoder and a U-Net (arXiv 2112.10752), one after the other."""

    name = FamilyName.TEXT_TO_IMAGE
    task = "text-to-image"
    apis = ("/v1/images/generations", "/v1/models")
    unit = "images"
    block = "diffusion"
    formats = ("images", "jsonl", "csv", "parquet", "webdataset")
    lora = True
    objectives = FROM_SCRATCH | {Objective.PRUNE}
    supervisions = frozenset({Supervision.SELF_SUPERVISED})
    parts = MappingProxyType(
        {
            "autoencoder": (FamilyName.VAE, FamilyName.TEXT_TO_IMAGE, FamilyName.TEXT_TO_VIDEO),
            "text_encoder": (FamilyName.TEXT_TO_IMAGE, FamilyName.TEXT_TO_VIDEO),
        }
    )
    adapters = True

    def sample_request(self) -> SampleRequest:
        """One image in few steps, of the model's own size."""
        body = {"prompt": "a sample", "n": 1, "steps": 2, "response_format": "b64_json"}
        return SampleRequest(path="/v1/images/generations", body=body, expect="data.0.b64_json")
