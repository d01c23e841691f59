"""The model's own sample request, sent over a real connection: the last gate before a replica calls itself ready."""

from __future__ import annotations

import base64
import http.client
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from hostler_contract import ErrorReason, SampleRequest
from hostler_contract.serving import SampleFile
from hostler_runtime.protocols.serving import UnservableError
from hostler_runtime.server.middleware import API_PREFIXES, SAMPLE_HEADER
from hostler_runtime.server.routes.endpoint import Endpoint

MAX_QUOTED = 500
"""Characters of a failed answer that are repeated in the message."""


def expected(sample: SampleRequest, endpoints: Sequence[Endpoint]) -> str | None:
    """Where the answer must have something: where the sample says, or else what proves it for the sample's path."""
    if sample.expect is not None:
        return sample.expect
    paths = {f"{prefix}{one.path}": one.proof for prefix in API_PREFIXES for one in endpoints if one.method == "POST"}
    return paths.get(sample.path)


def send_sample(
    sample: SampleRequest, *, expect: str | None, model: str, port: int, secret: str, timeout: float
) -> None:
    """Send it and check the answer; blocks. Raises ``UnservableError`` with reason SampleRequestFailed."""
    # A Model's request is kept under the name that it had when it was written; here it has the service's.
    content_type, body = _content({**sample.body, "model": model}, sample.files)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        headers = {"content-type": content_type, SAMPLE_HEADER: secret, "connection": "close"}
        connection.request("POST", sample.path, body, headers)
        response = connection.getresponse()
        status, answered = response.status, response.getheader("content-type") or ""
        text = response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise _failed(sample, f"{type(error).__name__}: {error} (limit {timeout:g} s)") from error
    finally:
        connection.close()
    wrong = _wrong(text, status=status, content_type=answered, expect=expect)
    if wrong is not None:
        raise _failed(sample, wrong)


def _content(fields: Mapping[str, Any], files: Sequence[SampleFile]) -> tuple[str, bytes]:
    """Content type and body: a form where there are files, else JSON."""
    if not files:
        return "application/json", json.dumps(fields).encode()
    boundary = secrets.token_hex(16)
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    parts = [(f'form-data; name="{name}"', value.encode()) for name, value in texts.items()]
    parts += [
        (f'form-data; name="{one.field}"; filename="{one.name}"', base64.b64decode(one.content_base64)) for one in files
    ]
    body = b"".join(
        f"--{boundary}\r\ncontent-disposition: {disposition}\r\n\r\n".encode() + value + b"\r\n"
        for disposition, value in parts
    )
    return f"multipart/form-data; boundary={boundary}", body + f"--{boundary}--\r\n".encode()


def _wrong(text: str, *, status: int, content_type: str, expect: str | None) -> str | None:
    """What is wrong with an answer, or None."""
    if status != 200:
        return f"status {status}: {text[:MAX_QUOTED]}"
    if content_type.startswith("text/event-stream"):
        complete = text.rstrip().endswith("data: [DONE]")
        return None if complete else f"the stream ended early: {text[-MAX_QUOTED:]}"
    if expect is not None and not _found(text, expect):
        return f"there is nothing in '{expect}' of the answer: {text[:MAX_QUOTED]}"
    return None


def _found(text: str, path: str) -> Any:
    """What stands at a dotted path of a JSON text; None where there is no such place."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    for step in path.split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _failed(sample: SampleRequest, why: str) -> UnservableError:
    return UnservableError(
        ErrorReason.SAMPLE_REQUEST_FAILED, f"sample request POST {sample.path} did not succeed: {why}"
    )
