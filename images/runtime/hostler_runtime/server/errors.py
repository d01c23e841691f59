"""Errors as the OpenAI API words them: ``{"error": {"message", "type", "param", "code"}}``."""

from __future__ import annotations

from typing import Any

INVALID_REQUEST = "invalid_request_error"


class ApiError(Exception):
    """An answer other than success; ``code`` is what programs look at, the message names the way out."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = INVALID_REQUEST,
        param: str | None = None,
        code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(_whole(message))
        self.status = status
        self.kind = kind
        self.param = None if param is None else _whole(param)
        self.code = code
        self.headers = {} if retry_after is None else {"retry-after": str(retry_after)}

    def body(self) -> dict[str, Any]:
        """The JSON document."""
        return {"error": {"message": str(self), "type": self.kind, "param": self.param, "code": self.code}}


def _whole(text: str) -> str:
    """A text that can be encoded: half characters, which a request may hold, as JSON writes them."""
    return text.encode(errors="backslashreplace").decode()


def missing_parameter(param: str) -> ApiError:
    """A required parameter is not there."""
    return ApiError(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")


def invalid_type(param: str, *, want: str) -> ApiError:
    """A parameter of another JSON type."""
    return ApiError(f"Invalid type for '{param}': expected {want}.", param=param, code="invalid_type")


def invalid_value(param: str, message: str) -> ApiError:
    """A parameter whose value makes no sense here."""
    return ApiError(f"Invalid value for '{param}': {message}", param=param, code="invalid_value")


def unsupported_parameter(param: str, *, harmless: str) -> ApiError:
    """A parameter of the OpenAI API that this server does not implement."""
    message = f"'{param}' is not supported by this server; leave it out{harmless}."
    return ApiError(message, param=param, code="unsupported_parameter")


def unknown_parameter(param: str) -> ApiError:
    """A parameter that nobody knows."""
    return ApiError(f"Unrecognized request argument supplied: {param}.", param=param, code="unknown_parameter")


def model_not_found(model: str, *, served: str) -> ApiError:
    """Another model than the one this service serves."""
    message = f"The model '{model}' does not exist here; this service serves '{served}'."
    return ApiError(message, status=404, param="model", code="model_not_found")


def context_length_exceeded(param: str, *, limit: int, prompt: int, answer: int) -> ApiError:
    """Prompt and answer together are longer than what the model can look back on."""
    message = (
        f"This model's maximum context length is {limit} tokens. However, you requested {prompt + answer} tokens "
        f"({prompt} in the {param}, {answer} in the completion). Please reduce one of them."
    )
    return ApiError(message, param=param, code="context_length_exceeded")


def queue_full(retry_after: int) -> ApiError:
    """More requests wait than the service allows."""
    return ApiError(
        f"The server is at capacity. Please retry after {retry_after} seconds.",
        status=429, kind="rate_limit_error", code="queue_full", retry_after=retry_after,
    )  # fmt: skip


def not_ready(why: str) -> ApiError:
    """This replica does not answer requests yet or any more."""
    return ApiError(
        f"The server is not ready: {why}.", status=503, kind="server_error", code="server_not_ready", retry_after=1
    )


def engine_failed(message: str) -> ApiError:
    """The model failed on this request."""
    return ApiError(message, status=500, kind="server_error", code="internal_error")
