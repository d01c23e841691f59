"""Which endpoints may be sent the credentials that a source names."""

from __future__ import annotations

from typing import Any

import pytest
from builders import make_training_job
from tables import table

from hostler.api.common import Source
from hostler.api.trainingjob import TrainingJobSpec
from hostler.planning.endpoints import read_patterns, reject_endpoint

SECRET = {"secretRef": {"name": "keys"}}


def hub(endpoint: str | None, **more: Any) -> dict[str, Any]:
    """A dataset of a hub."""
    return {"hf": {"repository": "org/set", **({"endpoint": endpoint} if endpoint else {}), **more}}


def bucket(endpoint: str | None, **more: Any) -> dict[str, Any]:
    """A dataset of a bucket."""
    return {"s3": {"bucket": "pictures", **({"endpoint": endpoint} if endpoint else {}), **more}}


def refused(source: dict[str, Any], *allowed: str) -> bool:
    """Whether the source may not have its credentials."""
    found = reject_endpoint(Source.model_validate(source), path="spec.source", allowed=read_patterns(allowed))
    return found is not None


@table(
    ("source", "allowed", "want"),
    {
        "the public hub": (hub(None, **SECRET), (), ""),
        "the public hub by its name": (hub("https://huggingface.co", **SECRET), (), ""),
        "the public hub without encryption": (hub("http://huggingface.co", **SECRET), (), "refused"),
        "a server of one's own that wants the token": (hub("https://evil.example", **SECRET), (), "refused"),
        "a server of one's own without credentials": (hub("https://evil.example"), (), ""),
        "a name that begins like the public hub": (hub("https://huggingface.co.evil.example", **SECRET), (), "refused"),
        "a name that ends like the public hub": (hub("https://evilhuggingface.co", **SECRET), (), "refused"),
        "a host that parsers read differently": (hub("https://evil.example\\.huggingface.co", **SECRET), (), "refused"),
        "the public hub in a fragment": (hub("https://evil.example#.huggingface.co", **SECRET), ("*.co",), "refused"),
        "the public hub's name at another port": (hub("https://huggingface.co:8443", **SECRET), (), "refused"),
        "a port that is none": (hub("https://huggingface.co:99999", **SECRET), (), "refused"),
        "an address": (hub("http://[::1]", **SECRET), ("http://*",), "refused"),
        "a hub is no store": (bucket("https://huggingface.co", **SECRET), (), "refused"),
        "the cloud's own store": (bucket(None, **SECRET), (), ""),
        "the cloud's own store by its region": (bucket("https://s3.eu-central-1.amazonaws.com", **SECRET), (), ""),
        "the cloud's own store over IPv6": (bucket("https://s3.dualstack.us-east-1.amazonaws.com", **SECRET), (), ""),
        "anybody's host in the cloud": (bucket("https://ec2-1-2-3-4.compute-1.amazonaws.com", **SECRET), (), "refused"),
        "a store of one's own that wants the key": (bucket("https://evil.example", **SECRET), (), "refused"),
        "a store of one's own without credentials": (bucket("http://minio:9000"), (), ""),
        "a host that is allowed": (hub("https://hub.example.org/api", **SECRET), ("hub.example.org",), ""),
        "letters of any case": (hub("https://HUB.example.org", **SECRET), ("Hub.Example.Org",), ""),
        "another host": (hub("https://hub.example.org", **SECRET), ("minio.example.org",), "refused"),
        "a host below a name": (hub("https://a.b.example.org", **SECRET), ("*.example.org",), ""),
        "the name itself is not below it": (hub("https://example.org", **SECRET), ("*.example.org",), "refused"),
        "a name that only ends like it": (hub("https://badexample.org", **SECRET), ("*.example.org",), "refused"),
        "a port that is allowed": (bucket("https://minio.example.org:9000", **SECRET), ("minio.example.org:9000",), ""),
        "a port that is not": (bucket("https://minio.example.org:9000", **SECRET), ("minio.example.org",), "refused"),
        "every port": (bucket("https://minio.example.org:9000", **SECRET), ("minio.example.org:*",), ""),
        "no encryption has to be allowed": (
            bucket("http://minio.example.org", **SECRET),
            ("minio.example.org",),
            "refused",
        ),
        "and can be": (bucket("http://minio.storage.svc:9000", **SECRET), ("http://minio.storage.svc:9000",), ""),
        "every host": (hub("https://anything.example", **SECRET), ("*",), ""),
        "data of a claim": ({"pvc": {"claimName": "data"}}, (), ""),
        "a URL, which has no credentials": ({"http": {"url": "https://evil.example/x"}}, (), ""),
    },
)
def test_what_may_be_sent_credentials(source: dict[str, Any], allowed: tuple[str, ...], want: str) -> None:
    assert refused(source, *allowed) == bool(want)


@pytest.mark.parametrize(
    "text", ["", "https://", "ftp://host", "host/path", "user@host", "a.*.b", "host:0", "host:99999"]
)
def test_a_pattern_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="is no host"):
        read_patterns([text])


def test_a_job_is_told_where_and_what_to_do() -> None:
    """Who may create jobs but read no Secret would have the token sent to a server of their own."""
    source = hub("https://evil.example", secretRef={"name": "token-of-another-team"})
    spec = TrainingJobSpec.model_validate(make_training_job(dataset={"source": source})["spec"])
    found = reject_endpoint(spec.dataset.source, path="spec.dataset.source", allowed=())
    assert found is not None
    assert found.reason == "EndpointNotAllowed"
    assert found.message == (
        "spec.dataset.source.hf.endpoint: https://evil.example may not be sent the credentials that secretRef names: "
        "leave endpoint or secretRef out, or have an administrator allow its host with allowedEndpoints in the chart's "
        "values (--allowed-endpoint)."
    )
