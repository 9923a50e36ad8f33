"""What can go wrong between the studio and a Kubernetes API server.

    KubeError
    ├── Unreachable       kube-unreachable        retry   no connection: refused, no route, unknown name, cut off
    ├── AddressRefused    kube-address-refused            the address is none that clusters may be at
    ├── Timeout           kube-timeout            retry   connected or connecting, and no answer in time
    ├── TlsFailed         kube-tls-failed                 no trust; the finer ids kube-tls-wrong-ca,
    │                                                     kube-tls-name-mismatch, kube-tls-expired, kube-tls-not-tls
    ├── NotKubernetes     kube-not-kubernetes             something answered, and it is no API server
    ├── Unauthorized      kube-unauthorized       401     the credentials are not (or no longer) known
    ├── Forbidden         kube-forbidden          403     known, and not allowed
    ├── NotFound          kube-not-found          404
    ├── Conflict          kube-conflict           409     exists already, or changed by somebody else
    ├── Gone              kube-gone               410     the resource version is too old: list again
    ├── Invalid           kube-invalid            400 422 and other 4xx: the request itself is wrong
    ├── TooManyRequests   kube-too-many-requests  429     retry, after ``retry_after`` seconds if given
    ├── ServerFault       kube-server-fault       5xx     retry
    └── PodAnswered       kube-pod-answered               the pod itself answered with an error's status

The client library's own exceptions never leave this package; they are chained as the cause.
"""

import contextlib
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from compute.kube.reach import OutOfReach

EXPIRED_CODES = frozenset({9, 10})  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
NAME_CODES = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH


class KubeError(Exception):
    """Say that a call to a Kubernetes API server failed."""

    problem_id: str = "kube-error"
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        reason: str = "",
        details: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
        problem_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.reason = reason
        self.details: dict[str, Any] = dict(details or {})
        self.retry_after = retry_after
        if problem_id is not None:
            self.problem_id = problem_id

    @property
    def already_exists(self) -> bool:
        """Tell a name that is taken from a write that lost a race."""
        return self.reason == "AlreadyExists"


class Unreachable(KubeError):
    """Say that no connection could be made or kept."""

    problem_id = "kube-unreachable"
    retryable = True


class AddressRefused(KubeError):
    """Say that the server's name leads to an address at which no cluster is called."""

    problem_id = "kube-address-refused"


class Timeout(KubeError):
    """Say that the server did not answer in time."""

    problem_id = "kube-timeout"
    retryable = True


class TlsFailed(KubeError):
    """Say that the server's certificate, or ours, was not accepted."""

    problem_id = "kube-tls-failed"


class NotKubernetes(KubeError):
    """Say that whatever answered is not a Kubernetes API server."""

    problem_id = "kube-not-kubernetes"


class Unauthorized(KubeError):
    """Say that the server does not know these credentials."""

    problem_id = "kube-unauthorized"


class Forbidden(KubeError):
    """Say that the identity may not do this."""

    problem_id = "kube-forbidden"


class NotFound(KubeError):
    """Say that the object, its namespace or its kind does not exist."""

    problem_id = "kube-not-found"


class Conflict(KubeError):
    """Say that the object exists already or was changed by somebody else."""

    problem_id = "kube-conflict"


class Gone(KubeError):
    """Say that a resource version or a page token is too old."""

    problem_id = "kube-gone"


class Invalid(KubeError):
    """Say that the API server refused the request as wrong."""

    problem_id = "kube-invalid"


class TooManyRequests(KubeError):
    """Say that the API server asks for fewer requests."""

    problem_id = "kube-too-many-requests"
    retryable = True


class ServerFault(KubeError):
    """Say that the API server failed on its side."""

    problem_id = "kube-server-fault"
    retryable = True


class PodAnswered(KubeError):
    """Say that the server inside a pod answered with an error; ``status`` is the pod's."""

    problem_id = "kube-pod-answered"


PROBLEM_IDS: tuple[str, ...] = (
    "kube-error",
    "kube-unreachable",
    "kube-address-refused",
    "kube-timeout",
    "kube-tls-failed",
    "kube-tls-wrong-ca",
    "kube-tls-name-mismatch",
    "kube-tls-expired",
    "kube-tls-not-tls",
    "kube-not-kubernetes",
    "kube-unauthorized",
    "kube-forbidden",
    "kube-not-found",
    "kube-conflict",
    "kube-gone",
    "kube-invalid",
    "kube-too-many-requests",
    "kube-server-fault",
    "kube-pod-answered",
)

_BY_STATUS: dict[int, type[KubeError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    429: TooManyRequests,
}


def from_status(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> KubeError:
    """Return the error for an answer of the API server that is not a success."""
    document = as_status(body)
    if document is None:
        return _from_foreign_answer(status, body, headers)
    return from_status_object(document, status=status, headers=headers)


def for_status(status: int, message: str) -> KubeError:
    """Return the error for a status that came without anything to read."""
    return _class_for(status)(message, status=status)


def from_status_object(document: Mapping[str, Any], *, status: int | None = None, headers: Mapping[str, str] | None = None) -> KubeError:
    """Return the error for a ``Status`` object, be it a response's body or a watch's ERROR event."""
    given = document.get("code") or status
    code = given if isinstance(given, int) else 500
    details = document.get("details") or {}
    return _class_for(code)(
        str(document.get("message") or f"The API server answered {code}."),
        status=code,
        reason=str(document.get("reason") or ""),
        details=details if isinstance(details, dict) else {},
        retry_after=_retry_after(headers, details),
    )


def as_status(body: bytes) -> dict[str, Any] | None:
    """Return the body as a ``Status`` object, or None when it is something else."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if isinstance(document, dict) and document.get("kind") == "Status":
        return document
    return None


def from_exception(error: BaseException) -> KubeError:
    """Return the error for what the network, TLS or the HTTP library raised."""
    chain = list(_chain(error))
    for read in (_already_ours, _kept_away, _distrusted, _tls_broken, _not_connected):
        for link in chain:
            if (found := read(link)) is not None:
                return found
    if any(isinstance(link, TimeoutError) or type(link).__name__.endswith("TimeoutError") for link in chain):
        return Timeout("The server did not answer in time.")
    return Unreachable(f"The connection failed: {_plain(error)}")


@contextlib.contextmanager
def own_errors(*foreign: type[BaseException]) -> Iterator[None]:
    """Turn the given exceptions into errors of this module, chained."""
    try:
        yield
    except KubeError:
        raise
    except foreign as error:
        raise from_exception(error) from error


def _already_ours(link: BaseException) -> KubeError | None:
    return link if isinstance(link, KubeError) else None


def _kept_away(link: BaseException) -> KubeError | None:
    return AddressRefused(str(link)) if isinstance(link, OutOfReach) else None


def _distrusted(link: BaseException) -> KubeError | None:
    if not isinstance(link, ssl.SSLCertVerificationError):
        return None
    if not hasattr(link, "verify_message"):  # aiohttp's own error is of this kind, too, and the one below it says why
        return None
    return TlsFailed(f"TLS: {link.verify_message or link}", problem_id=_certificate_problem(link.verify_code))


def _tls_broken(link: BaseException) -> KubeError | None:
    if not isinstance(link, ssl.SSLError) or isinstance(link, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return None
    if getattr(link, "reason", None) in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"}:
        return TlsFailed("The server does not speak TLS on this port.", problem_id="kube-tls-not-tls")
    return TlsFailed(f"TLS: {getattr(link, 'reason', None) or link}")


def _not_connected(link: BaseException) -> KubeError | None:
    if isinstance(link, socket.gaierror):
        return Unreachable("The server's name is not known here.", reason="UnknownHost")
    if isinstance(link, ConnectionRefusedError):
        return Unreachable("The server refused the connection.", reason="Refused")
    return None


def _class_for(code: int) -> type[KubeError]:
    if code in _BY_STATUS:
        return _BY_STATUS[code]
    if code >= 500:
        return Timeout if code == 504 else ServerFault
    return Invalid if code >= 400 else NotKubernetes


def _from_foreign_answer(status: int, body: bytes, headers: Mapping[str, str] | None) -> KubeError:
    text = " ".join(body[:300].decode("utf-8", "replace").split())
    # Proxies, load balancers and the API server itself during start-up answer in plain text.
    kind = _class_for(status) if status >= 400 else NotKubernetes
    if status == 404 and text == "404 page not found":
        # So does an API server for a group or a version that it does not have.
        return NotFound("The server does not have this API.", status=404, reason="NotFound")
    if kind in (Invalid, NotFound, Conflict, Gone):
        kind = NotKubernetes
    message = f"The server answered {status}" + (f": {text}" if text else ".")
    return kind(message, status=status, retry_after=_retry_after(headers, {}))


def _retry_after(headers: Mapping[str, str] | None, details: Any) -> float | None:
    lowered = {name.lower(): value for name, value in (headers or {}).items()}
    given = lowered.get("retry-after") or (details.get("retryAfterSeconds") if isinstance(details, dict) else None)
    try:
        seconds = float(given) if given else None
    except (TypeError, ValueError):  # an HTTP date: rare, and our own back-off will do
        return None
    return seconds if seconds is not None and 0 <= seconds < 3600 else None


def _certificate_problem(code: int) -> str:
    if code in EXPIRED_CODES:
        return "kube-tls-expired"
    return "kube-tls-name-mismatch" if code in NAME_CODES else "kube-tls-wrong-ca"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting:
        link = waiting.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        candidates: list[object] = [link.__cause__, link.__context__, getattr(link, "reason", None), *link.args]
        waiting.extend(each for each in candidates if isinstance(each, BaseException))


def _plain(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
