"""What went wrong at the API server, as a sentence for whoever typed the command, with a way out."""

from __future__ import annotations

import re
import ssl

import aiohttp

from hostler.api.schema import GROUP
from hostler.cluster.connection import ConnectionSetupError
from hostler.cluster.errors import (
    ApiError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)

_NAMED = re.compile(r'"[^"]+" not found')
"""How the API server says that an object is not there; without a name it is the whole kind."""
_DENIED = re.compile(r'cannot (?P<verb>\w+) resource "(?P<resource>[^"]+)"')


def sentence(error: Exception, *, server: str = "") -> str:
    """One line for people: what is wrong, and the way out. ``server`` is the URL that was asked."""
    if isinstance(error, ConnectionSetupError):
        return str(error)
    where = f"the API server {server}" if server else "the API server"
    for kind, say in _SAYINGS:
        if isinstance(error, kind):
            return say(error, where)
    return f"{where} answered: {error}"


def without_kind(error: ApiError) -> bool:
    """Whether it is the whole kind that the API server does not know, not one object."""
    return isinstance(error, NotFound) and _NAMED.search(str(error)) is None


def _unauthorized(_error: Exception, where: str) -> str:
    return (
        f"{where} does not accept your credentials (401): they have expired, or are those of another cluster; log in "
        "again or fetch a new kubeconfig, and see which one is used with kubectl config current-context"
    )


def _forbidden(error: Exception, where: str) -> str:
    denied = _DENIED.search(str(error))
    if denied is None:
        # An admission policy, or a quota: its own words say what would pass.
        return f"{where} refuses it: {error}"
    role = "hostler-edit" if denied["verb"] not in ("get", "list", "watch") else "hostler-view"
    if denied["resource"] == "acceleratorpools":
        role = "hostler-pool-reader"
    elif denied["resource"] not in _OURS:
        role = "edit" if role == "hostler-edit" else "view"
    return (
        f"you may not {denied['verb']} {denied['resource']}: ask an administrator for a binding to the ClusterRole "
        f"{role}, or name a namespace of yours with -n ({error})"
    )


_OURS = frozenset({"trainingjobs", "inferenceservices", "models", "datasets", "clustermodels", "acceleratorpools"})


def _not_found(error: Exception, where: str) -> str:
    if isinstance(error, ApiError) and without_kind(error):
        return (
            f"{where} knows no {GROUP}: Hostler's CRDs are not installed there, or this is another cluster than you "
            "mean; install the chart (helm/hostler), or choose the cluster with --kubeconfig"
        )
    return f"{error}: it is gone, or in another namespace (-n)"


def _conflict(error: Exception, _where: str) -> str:
    return f"it changed at the same moment: look at it again, and repeat the command ({error})"


def _invalid(error: Exception, where: str) -> str:
    return f"{where} does not accept it: {error}"


def _too_many(error: Exception, where: str) -> str:
    assert isinstance(error, TooManyRequests)
    wait = f" in {error.retry_after:.0f} s" if error.retry_after else " in a moment"
    return f"{where} has too many requests: try again{wait}"


def _gone(_error: Exception, where: str) -> str:
    return f"{where} forgot the list while it was read: try again"


def _unavailable(error: Exception, where: str) -> str:
    assert isinstance(error, ApiError)
    if error.code:
        return f"{where} is in trouble ({error.code}): {error}; try again, or ask its administrator"
    cause = error.__cause__
    if isinstance(cause, aiohttp.ClientConnectorDNSError):
        return f"{where} has no address: the name in the kubeconfig is wrong, or you are outside its network (VPN?)"
    if isinstance(cause, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return (
            f"{where} shows a certificate that the kubeconfig does not trust: it is of another or a newly made "
            "cluster; fetch its kubeconfig again"
        )
    if isinstance(cause, TimeoutError):
        return f"{where} gave no answer in time: {error}; is it overloaded, or behind a VPN?"
    return (
        f"{where} cannot be reached: is the cluster running, and is this its address? kubectl config view --minify "
        f"shows what is configured ({_reason(cause or error)})"
    )


def _reason(error: BaseException) -> str:
    """The operating system's own words, without addresses that were said already."""
    system = getattr(error, "os_error", error)
    return str(getattr(system, "strerror", None) or system)


_SAYINGS = (
    (Unauthorized, _unauthorized),
    (Forbidden, _forbidden),
    (NotFound, _not_found),
    (Conflict, _conflict),
    (Gone, _gone),
    (TooManyRequests, _too_many),
    (Invalid, _invalid),
    (Unavailable, _unavailable),
)
