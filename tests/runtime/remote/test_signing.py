"""Signatures of requests to S3: those of AWS' own examples, and those that AWS' own library makes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pyarrow.fs
import pytest
from runtime.training.s3server import S3Server

from hostler_runtime.remote.identity import keys_of
from hostler_runtime.remote.s3 import Bucket, Place, S3Error, below
from hostler_runtime.remote.signing import Keys, signed, signed_head

EXAMPLE = Keys(access_key="AKIAIOSFODNN7EXAMPLE", secret_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
MOMENT = datetime(2013, 5, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    ("url", "headers", "want"),
    [
        pytest.param(
            "https://examplebucket.s3.amazonaws.com/test.txt",
            {"Range": "bytes=0-9"},
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            id="part of an object",
        ),
        pytest.param(
            "https://examplebucket.s3.amazonaws.com/?lifecycle",
            {},
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            id="a question without a value",
        ),
        pytest.param(
            "https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J",
            {},
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            id="a listing",
        ),
    ],
)
def test_the_examples_of_the_specification(url: str, headers: Mapping[str, str], want: str) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html"""
    found = signed(url, headers, keys=EXAMPLE, region="us-east-1", now=MOMENT)

    assert found["Authorization"].endswith(f"Signature={want}")


@pytest.mark.parametrize("session", [None, "a session's token"])
@pytest.mark.parametrize("key", ["rows.jsonl", "a b+c/ü=&~.jsonl"])
def test_another_library_signs_the_same_requests_alike(session: str | None, key: str) -> None:
    server = S3Server({f"books/{key}": b"rows"})
    keys = Keys(access_key="AKEXAMPLE", secret_key="secret", session_token=session)
    try:
        theirs = pyarrow.fs.S3FileSystem(
            access_key=keys.access_key,
            secret_key=keys.secret_key,
            session_token=keys.session_token,
            endpoint_override=server.url.removeprefix("http://"),
            scheme="http",
            region="eu-central-1",
        )
        assert theirs.open_input_file(f"books/{key}").read() == b"rows"
        request = next(each for each in server.headers if each["method"] == "HEAD")
    finally:
        server.close()
    lower = {name.lower(): value for name, value in request.items()}
    said = dict(part.strip().split("=", 1) for part in lower["authorization"].partition(" ")[2].split(","))
    names = set(said["SignedHeaders"].split(";"))
    ours = {"host", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"}
    moment = datetime.strptime(lower["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)

    found = signed_head(
        f"{server.url}{request['path']}",
        {name: lower[name] for name in names - ours},
        keys=keys,
        region="eu-central-1",
        now=moment,
    )

    assert found["Authorization"].endswith(f"Signature={said['Signature']}")


class Lender:
    """Who gives out keys: AWS' security token service, or its agent on a node."""

    def __init__(self, answer: bytes, *, status: int = 200) -> None:
        self.seen: list[tuple[str, str, str]] = []
        lender = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                lender.seen.append((self.path, self.headers.get("Authorization", ""), body))
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_POST = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


Lend = Callable[..., Lender]
LENT = Keys(access_key="ASIA", secret_key="lent", session_token="token")


@pytest.fixture
def lender() -> Iterator[Lend]:
    started: list[Lender] = []

    def start(answer: bytes, **options: Any) -> Lender:
        started.append(Lender(answer, **options))
        return started[-1]

    yield start
    for each in started:
        each.close()


def test_a_service_account_s_token_is_exchanged_for_keys(lender: Lend, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of the pod\n")
    found = lender(
        b"<AssumeRoleWithWebIdentityResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'><Credentials>"
        b"<AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>lent</SecretAccessKey><SessionToken>token</SessionToken>"
        b"</Credentials></AssumeRoleWithWebIdentityResponse>"
    )
    environ = {
        "AWS_ROLE_ARN": "arn:aws:iam::1:role/reader",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
        "AWS_ENDPOINT_URL_STS": found.url,
    }

    assert keys_of(environ, region=None) == LENT
    assert "WebIdentityToken=of+the+pod" in found.seen[0][2]


def test_a_node_s_agent_lends_keys_to_the_pod(lender: Lend, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of the pod")
    found = lender(json.dumps({"AccessKeyId": "ASIA", "SecretAccessKey": "lent", "Token": "token"}).encode())
    environ = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{found.url}/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
        "HTTP_PROXY": "http://127.0.0.1:1",
    }

    assert keys_of(environ, region=None) == LENT
    assert found.seen == [("/v1/credentials", "of the pod", "")]


def test_a_role_that_may_not_be_taken_is_named(lender: Lend, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of another pod")
    found = lender(b"", status=403)
    environ = {
        "AWS_ROLE_ARN": "arn:aws:iam::1:role/reader",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
        "AWS_ENDPOINT_URL_STS": found.url,
    }

    with pytest.raises(S3Error, match=r"gives no keys for role arn:aws:iam::1:role/reader: 403") as failure:
        keys_of(environ, region=None)
    assert failure.value.for_good


def test_nobody_s_keys_are_taken_where_none_are_named() -> None:
    assert keys_of({}, region=None) is None


def test_a_listing_of_many_pages_is_read_to_its_end() -> None:
    server = S3Server({f"books/train/{number}.jsonl": b"" for number in range(25)} | {"books/training": b""}, page=10)
    try:
        bucket = Bucket(Place(bucket="books", endpoint=server.url), keys=None, environ={})
        assert set(below(bucket.entries("train"), "train")) == {f"{number}.jsonl" for number in range(25)}
        assert len(server.requests) == 3
    finally:
        server.close()
