"""Whose keys sign requests to S3: those of the environment, or those that AWS lends to a ServiceAccount."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Final
from urllib.parse import urlencode
from xml.etree import ElementTree

from hostler_runtime.remote.failures import nobody_there, refuses
from hostler_runtime.remote.s3 import SILENCE_SECONDS, S3Error
from hostler_runtime.remote.signing import Keys
from hostler_runtime.remote.ways import opener

_LENDER: Final = "http://169.254.170.2"
"""Where AWS_CONTAINER_CREDENTIALS_RELATIVE_URI leads to."""
_LIMIT: Final = 1 << 20


def keys_of(environ: Mapping[str, str], *, region: str | None) -> Keys | None:
    """None where nothing names any: requests are not signed then. The machine's metadata service is never asked, which
    would take long where there is none, and would lend a pod the node's rights where there is. Raises ``S3Error``."""
    if environ.get("AWS_ACCESS_KEY_ID"):
        return Keys(
            access_key=environ["AWS_ACCESS_KEY_ID"],
            secret_key=environ.get("AWS_SECRET_ACCESS_KEY") or "",
            session_token=environ.get("AWS_SESSION_TOKEN") or None,
        )
    if environ.get("AWS_WEB_IDENTITY_TOKEN_FILE") and environ.get("AWS_ROLE_ARN"):
        return _by_role(environ, region=region)
    relative = environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    full = f"{_LENDER}{relative}" if relative else environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    return _lent(full, environ) if full else None


def _by_role(environ: Mapping[str, str], *, region: str | None) -> Keys:
    """What a ServiceAccount's token is exchanged for."""
    where = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or region
    host = environ.get("AWS_ENDPOINT_URL_STS") or (
        f"https://sts.{where}.amazonaws.com" if where else "https://sts.amazonaws.com"
    )
    asked = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": environ["AWS_ROLE_ARN"],
        "RoleSessionName": environ.get("AWS_ROLE_SESSION_NAME") or "hostler",
        "WebIdentityToken": _text(environ["AWS_WEB_IDENTITY_TOKEN_FILE"]),
    }
    request = urllib.request.Request(host, data=urlencode(asked).encode())
    root = ElementTree.fromstring(_answer(request, environ, what=f"role {environ['AWS_ROLE_ARN']}"))
    found = {each.tag.rsplit("}", 1)[-1]: each.text or "" for each in root.iter()}
    return Keys(
        access_key=found.get("AccessKeyId", ""),
        secret_key=found.get("SecretAccessKey", ""),
        session_token=found.get("SessionToken") or None,
    )


def _lent(url: str, environ: Mapping[str, str]) -> Keys:
    """What the cloud's agent on the node lends to this pod."""
    token = environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
    if file := environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
        token = _text(file)
    request = urllib.request.Request(url, headers={"Authorization": token} if token else {})
    # The agent is on the node itself, whatever proxies there are.
    found = json.loads(_answer(request, {}, what="the pod's identity"))
    return Keys(
        access_key=str(found.get("AccessKeyId", "")),
        secret_key=str(found.get("SecretAccessKey", "")),
        session_token=found.get("Token") or None,
    )


def _answer(request: urllib.request.Request, environ: Mapping[str, str], *, what: str) -> bytes:
    try:
        with opener(environ).open(request, timeout=SILENCE_SECONDS) as response:
            found: bytes = response.read(_LIMIT)
    except urllib.error.HTTPError as error:
        with error:
            text = f"{request.full_url} gives no keys for {what}: {error.code} {error.reason}"
            raise S3Error(text, status=error.code, for_good=refuses(error.code)) from error
    except (OSError, HTTPException) as error:
        text = f"{request.full_url} gives no keys for {what}: {getattr(error, 'reason', error)}"
        raise S3Error(text, for_good=nobody_there(error)) from error
    return found


def _text(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise S3Error(f"{file} cannot be read: {error.strerror}", for_good=True) from error
