"""Variational autoencoders of images."""

from __future__ import annotations

from hostler.families.family import FROM_SCRATCH, Family
from hostler.families.names import FamilyName
from hostler_contract import Objective, SampleRequest, Supervision


class Vae(Family):
    """A convolutional autoencoder (arXiv 1312.6114), also the first stage of latent diffusion."""

    name = FamilyName.VAE
    task = "unconditional-image-generation"
    apis = ("/v1/images/generations", "/v1/images/encodings", "/v1/images/decodings", "/v1/models")
    unit = "images"
    block = "autoencoder"
    objectives = FROM_SCRATCH | {Objective.PRUNE}
    supervisions = frozenset({Supervision.SELF_SUPERVISED})
    formats = ("images", "jsonl", "csv", "parquet", "webdataset")

    def sample_request(self) -> SampleRequest:
        """One sampled image."""
        body = {"prompt": "", "n": 1, "response_format": "b64_json"}
        return SampleRequest(path="/v1/images/generations", body=body, expect="data.0.b64_json")
