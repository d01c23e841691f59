"""What a failed request comes to: over at the next try, or for good."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator

_PASSING_STATUS = frozenset({408, 425, 429})
"""Below 500, but about the moment and not about the request."""
_NO_SUCH_HOST = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


def refuses(status: int) -> bool:
    """Whether an HTTP status would be the same at the next try."""
    return status < 500 and status not in _PASSING_STATUS


def nobody_there(error: BaseException) -> bool:
    """Whether the host's name is not known, or the host is not the one whose certificate it should have."""
    return any(
        isinstance(each, ssl.SSLCertVerificationError)
        or (isinstance(each, socket.gaierror) and each.errno in _NO_SUCH_HOST)
        for each in causes(error)
    )


def distrusted(error: BaseException) -> bool:
    """Whether the other side's certificate is none that is trusted."""
    return any(isinstance(each, ssl.SSLCertVerificationError) for each in causes(error))


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and those that led to it, the last one first."""
    while error is not None:
        yield error
        # urllib keeps what happened as the reason of its own error.
        reason = getattr(error, "reason", None)
        error = reason if isinstance(reason, BaseException) else error.__cause__ or error.__context__
