"""AWS Signature Version 4 of requests without a body, as S3 wants it.

Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl, quote, urlsplit

NO_BODY: Final = hashlib.sha256(b"").hexdigest()
_ALGORITHM: Final = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Credentials."""

    access_key: str
    secret_key: str
    session_token: str | None = None


def signed(url: str, headers: Mapping[str, str], *, keys: Keys, region: str, now: datetime) -> dict[str, str]:
    """The headers of a GET with those that prove who asks. ``url`` is sent as it is here."""
    return {**headers, **_proof("GET", url, headers, keys=keys, region=region, now=now)}


def signed_head(url: str, headers: Mapping[str, str], *, keys: Keys, region: str, now: datetime) -> dict[str, str]:
    """The same of a HEAD."""
    return {**headers, **_proof("HEAD", url, headers, keys=keys, region=region, now=now)}


def _proof(
    method: str, url: str, headers: Mapping[str, str], *, keys: Keys, region: str, now: datetime
) -> dict[str, str]:
    parts = urlsplit(url)
    moment = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    added = {"x-amz-content-sha256": NO_BODY, "x-amz-date": moment}
    if keys.session_token:
        added["x-amz-security-token"] = keys.session_token
    all_headers = {name.lower(): value.strip() for name, value in {**headers, **added, "host": parts.netloc}.items()}
    names = ";".join(sorted(all_headers))
    canonical = "\n".join(
        (
            method,
            parts.path or "/",
            _query(parts.query),
            *(f"{name}:{all_headers[name]}" for name in sorted(all_headers)),
            "",
            names,
            NO_BODY,
        )
    )
    scope = f"{moment[:8]}/{region}/s3/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{keys.secret_key}".encode()
    for each in scope.split("/"):
        key = hmac.digest(key, each.encode(), "sha256")
    signature = hmac.digest(key, f"{_ALGORITHM}\n{moment}\n{scope}\n{digest}".encode(), "sha256").hex()
    said = f"{_ALGORITHM} Credential={keys.access_key}/{scope},SignedHeaders={names},Signature={signature}"
    return {**added, "Authorization": said}


def _query(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    return "&".join(sorted(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs))
