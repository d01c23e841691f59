"""What a server is asked to serve: ``/etc/hostler/serving.json``."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from hostler_contract.message import Message, Part


class SampleRequest(Part):
    """A request that must succeed before a replica calls itself ready."""

    path: str
    body: dict[str, Any]


class ServingConfig(Message):
    """Everything one replica needs to know. Labels of metrics come from here, never from a request."""

    service: str
    namespace: str
    model: str
    """Model id that clients put into the request's ``model`` field."""
    family: str
    task: str
    accelerator: str
    """Accelerator type id from the registry, ``cpu`` where there is none."""
    artifact_path: str = "/models"
    max_batch_size: Annotated[int, Field(gt=0)] = 8
    max_queue: Annotated[int, Field(gt=0)] = 128
    """Requests that may wait; more are answered with 429 and Retry-After."""
    max_new_tokens: Annotated[int, Field(gt=0)] = 256
    sample_request: SampleRequest
    drain_seconds: Annotated[int, Field(gt=0)] = 30
    """How long a terminating replica finishes what it has accepted."""
