"""From a request's bytes to its fields, within limits."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Final

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from hostler_data.halves import half_character
from hostler_runtime.server.errors import ApiError, invalid_value
from hostler_runtime.server.fields import Fields, FormFields

MIB: Final = 1024 * 1024
MAX_JSON_BYTES: Final = 4 * MIB
MAX_UPLOAD_BYTES: Final = 25 * MIB
"""Of a form with its file, and of JSON that holds a file in base64; what the OpenAI API allows."""
MAX_FORM_FIELDS: Final = 64
_MAY_BE_HALF: Final = b"\\ud"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a form."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart request."""

    fields: FormFields
    files: dict[str, Upload]


async def read_json(request: Request, *, limit: int = MAX_JSON_BYTES) -> Any:
    """The JSON value of the body. Raises ``ApiError``."""
    body = bytearray()
    async for chunk in _limited(request, limit=limit):
        body += chunk
    try:
        value = json.loads(bytes(body))
    except (ValueError, RecursionError) as error:
        raise ApiError(f"The request body is not valid JSON: {error}.", code="invalid_json") from error
    if _MAY_BE_HALF in body.lower():
        _refuse_half_characters(value)
    return value


async def read_form(request: Request, *, limit: int = MAX_UPLOAD_BYTES) -> Form:
    """Fields and files of a multipart body. Raises ``ApiError``."""
    if not is_form(request):
        given = request.headers.get("content-type") or "nothing"
        message = f"This path takes multipart/form-data, not {given}; send the file as a form (curl -F)."
        raise ApiError(message, code="invalid_content_type")
    parser = MultiPartParser(
        request.headers, _limited(request, limit=limit), max_files=4, max_fields=MAX_FORM_FIELDS, max_part_size=MIB
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise ApiError(f"The form cannot be read: {error.message}", code="invalid_form") from error
    try:
        uploads = {name: file for name, file in form.multi_items() if isinstance(file, UploadFile)}
        pairs = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
        files = {name: Upload(file.filename or name, await file.read()) for name, file in uploads.items()}
        return Form(FormFields(pairs), files)
    finally:
        await form.close()


async def read_fields(request: Request) -> Fields:
    """Fields of a request that may be JSON as well as a form without files."""
    if not is_form(request):
        return Fields(await read_json(request))
    form = await read_form(request, limit=MAX_JSON_BYTES)
    for name in form.files:
        raise ApiError(f"'{name}' is a file, and this path takes none.", param=name, code="unsupported_parameter")
    return form.fields


def is_form(request: Request) -> bool:
    """True for multipart requests."""
    given: str = request.headers.get("content-type", "")
    return given.partition(";")[0].strip().lower() == "multipart/form-data"


def _refuse_half_characters(value: Any) -> None:
    """No tokenizer and no answer can hold them. The model's name is compared, and then known or not."""
    looked_at = {key: part for key, part in value.items() if key != "model"} if isinstance(value, dict) else value
    if half := half_character(looked_at):
        message = f"it has half a character ({half.code}), as when an emoji is cut in the middle."
        raise invalid_value(half.path or "body", message)


async def _limited(request: Request, *, limit: int) -> AsyncGenerator[bytes, None]:
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:
            message = f"The request body is larger than {limit} bytes."
            raise ApiError(message, status=413, code="request_too_large")
        yield chunk
