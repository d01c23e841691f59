"""Generative adversarial networks on images."""

from __future__ import annotations

from hostler.families.family import Family
from hostler.families.names import FamilyName
from hostler_contract import SampleRequest, Supervision


class Gan(Family):
    """A generator and a discriminator that learn against each other, so neither can be spread over processes."""

    name = FamilyName.GAN
    task = "unconditional-image-generation"
    apis = ("/v1/images/generations", "/v1/models")
    unit = "images"
    block = "gan"
    formats = ("images", "jsonl", "csv", "parquet", "webdataset")
    supervisions = frozenset({Supervision.SELF_SUPERVISED})
    shards = False

    def sample_request(self) -> SampleRequest:
        """One image of any class."""
        body = {"prompt": "", "n": 1, "response_format": "b64_json"}
        return SampleRequest(path="/v1/images/generations", body=body, expect="data.0.b64_json")
