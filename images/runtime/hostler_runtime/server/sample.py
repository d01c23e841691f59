"""The model's own sample request, sent over a real connection: the last gate before a replica calls itself ready."""

from __future__ import annotations

import http.client
import json
from typing import Any

from hostler_contract import ErrorReason, SampleRequest
from hostler_runtime.families.serving_protocol import UnservableError
from hostler_runtime.server.middleware import SAMPLE_HEADER

MAX_QUOTED = 500
"""Characters of a failed answer that are repeated in the message."""


def send_sample(sample: SampleRequest, *, model: str, port: int, secret: str, timeout: float) -> None:
    """Send it and check the answer; blocks. Raises ``UnservableError`` with reason SampleRequestFailed."""
    body = json.dumps({"model": model, **sample.body})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        headers = {"content-type": "application/json", SAMPLE_HEADER: secret, "connection": "close"}
        connection.request("POST", sample.path, body, headers)
        response = connection.getresponse()
        status, content_type = response.status, response.getheader("content-type") or ""
        text = response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        raise _failed(sample, f"{type(error).__name__}: {error} (limit {timeout:g} s)") from error
    finally:
        connection.close()
    wrong = _wrong(status, content_type, text)
    if wrong is not None:
        raise _failed(sample, wrong)


def _wrong(status: int, content_type: str, text: str) -> str | None:
    """What is wrong with an answer, or None."""
    if status != 200:
        return f"status {status}: {text[:MAX_QUOTED]}"
    if content_type.startswith("text/event-stream"):
        complete = text.rstrip().endswith("data: [DONE]")
        return None if complete else f"the stream ended early: {text[-MAX_QUOTED:]}"
    answer = _object(text)
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices:
        return f"the answer has no choices: {text[:MAX_QUOTED]}"
    if not answer.get("usage", {}).get("completion_tokens"):
        return f"the model generated no token: {text[:MAX_QUOTED]}"
    return None


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _failed(sample: SampleRequest, why: str) -> UnservableError:
    return UnservableError(
        ErrorReason.SAMPLE_REQUEST_FAILED, f"sample request POST {sample.path} did not succeed: {why}"
    )
