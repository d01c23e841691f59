"""What a server is asked to serve: ``/etc/hostler/serving.json``."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from hostler_contract.message import Message, Part


class SampleFile(Part):
    """A file of a multipart request."""

    field: str = "file"
    """Name of the form's field."""
    name: str
    """File name; its ending says what the file is."""
    content_base64: str


class SampleRequest(Part):
    """A request that must succeed before a replica calls itself ready. The server adds its own model id."""

    path: str
    body: dict[str, Any] = Field(default_factory=dict)
    """JSON body, or the fields of the form where there are files."""
    files: list[SampleFile] = Field(default_factory=list)
    """Files make it a multipart request."""
    expect: str | None = None
    """Where the JSON answer must have something, as a dotted path (``data.0.embedding``); absent leaves it to the
    server, which knows for each of its paths what proves that the model worked."""


class ServingConfig(Message):
    """Everything one replica needs to know. Labels of metrics come from here, never from a request."""

    service: str
    namespace: str
    model: str
    """Name of the Model; a label of the server's metrics."""
    served_model_name: str | None = None
    """Model id that clients put into the request's ``model`` field; absent means the Model's name, as releases said it
    that knew no other."""
    family: str
    task: str
    accelerator: str
    """Accelerator type id from the registry, ``cpu`` where there is none."""
    artifact_path: str = "/models"
    adapters: dict[str, str] = Field(default_factory=dict)
    """Low-rank adapters that a request may choose: name to a directory with the adapter's files, or with the whole
    model that training made of it, which has them below ``adapter``."""
    max_batch_size: Annotated[int, Field(gt=0)] = 8
    max_queue: Annotated[int, Field(gt=0)] = 128
    """Requests that may wait; more are answered with 429 and Retry-After."""
    max_new_tokens: Annotated[int, Field(gt=0)] = 256
    sample_request: SampleRequest
    drain_seconds: Annotated[int, Field(gt=0)] = 30
    """How long a terminating replica finishes what it has accepted."""

    allowed_origins: list[str] | None = None
    """Origins of web pages whose scripts may read the answers, as browsers name them, or ``*``; absent means none."""

    @property
    def model_id(self) -> str:
        """What a request has to say in ``model``."""
        return self.served_model_name or self.model
