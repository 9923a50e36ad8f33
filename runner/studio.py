"""Call the studio over HTTP with the token of this one job."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

from runner.errors import Damaged, Refused, Unavailable
from runner.layout import Spec

CONNECT_SECONDS = 20
ANSWER_SECONDS = 120
BLOCK = 1 << 18
# Statuses that a later try may change, beside every 5xx.
PASSING = {408, 425, 429}
# Among the 5xx these are answers, not failures: not implemented, and no room to store it.
LASTING = {501, 507}


class Studio:
    """One kept connection to the studio; not for use by two threads."""

    def __init__(self, spec: Spec, token: str) -> None:
        parts = urllib.parse.urlsplit(spec.url)
        self._https = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._https else 80)
        self._prefix = parts.path.rstrip("/")
        self._base = f"{self._prefix}{spec.base}"
        self._ca = spec.ca
        self._token = token
        self._connection: http.client.HTTPConnection | None = None
        self.address = spec.url

    def check(self) -> None:
        """Ask the studio whether it is there; raise Unavailable."""
        status, _, _ = self._exchange("GET", f"{self._prefix}/healthz", {}, None)
        if status >= 500:
            raise Unavailable("job-studio-unreachable", f"The studio at {self.address} answered {status}.")

    def get(self, path: str) -> http.client.HTTPResponse:
        """Open a download below the job's address; the caller reads it to its end."""
        response = self._send("GET", self._base + path, {}, None)
        if response.status != 200:
            self._raise(response.status, self._read(response))
        return response

    def call(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        body: Callable[[], Iterator[bytes]] | None = None,
        length: int = 0,
    ) -> dict[str, Any]:
        """Send a body of a known length and give the JSON of the answer."""
        sent = dict(headers or {})
        sent["Content-Length"] = str(length)
        status, raw, _ = self._exchange(method, self._base + path, sent, body)
        if status not in (200, 201, 202, 204):
            self._raise(status, raw)
        try:
            answer = json.loads(raw or b"{}")
        except ValueError as error:
            raise Unavailable("job-studio-unreachable", f"{self.address} answered something else than JSON.") from error
        return answer if isinstance(answer, dict) else {}

    def post(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        """Post a JSON object and give the JSON of the answer."""
        raw = json.dumps(content).encode()
        return self.call("POST", path, headers={"Content-Type": "application/json"}, body=lambda: iter([raw]), length=len(raw))

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(
        self, method: str, path: str, headers: dict[str, str], body: Callable[[], Iterator[bytes]] | None
    ) -> tuple[int, bytes, http.client.HTTPResponse]:
        response = self._send(method, path, headers, body)
        return response.status, self._read(response), response

    def _send(
        self, method: str, path: str, headers: dict[str, str], body: Callable[[], Iterator[bytes]] | None
    ) -> http.client.HTTPResponse:
        fresh = self._connection is None
        try:
            return self._send_once(method, path, headers, body)
        except Unavailable:
            if fresh:
                raise
        # A kept connection may have been closed by the other side in between: that is no failure.
        return self._send_once(method, path, headers, body)

    def _send_once(
        self, method: str, path: str, headers: dict[str, str], body: Callable[[], Iterator[bytes]] | None
    ) -> http.client.HTTPResponse:
        try:
            connection = self._connect()
            connection.putrequest(method, path, skip_accept_encoding=True)
            connection.putheader("Authorization", f"Bearer {self._token}")
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            broken: OSError | None = None
            try:
                for piece in body() if body else ():
                    connection.send(piece)
            except (BrokenPipeError, ConnectionResetError) as error:
                broken = error  # the studio may have said no before it had read everything
            try:
                return connection.getresponse()
            except (OSError, http.client.HTTPException):
                if broken is not None:
                    raise broken from None
                raise
        except (OSError, http.client.HTTPException) as error:
            self.close()
            text = str(error) or type(error).__name__
            raise Unavailable("job-studio-unreachable", f"The studio at {self.address} did not answer: {text}.") from error
        except Damaged:
            self.close()  # half a body was sent
            raise

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is not None:
            return self._connection
        made: http.client.HTTPConnection
        if self._https:
            import ssl

            context = ssl.create_default_context(cadata=self._ca or None)
            made = http.client.HTTPSConnection(self._host, self._port, timeout=CONNECT_SECONDS, context=context)
        else:
            made = http.client.HTTPConnection(self._host, self._port, timeout=CONNECT_SECONDS)
        made.connect()
        made.sock.settimeout(ANSWER_SECONDS)
        self._connection = made
        return made

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        try:
            raw = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unavailable("job-studio-unreachable", f"The answer of {self.address} broke off: {error!r}.") from error
        if response.will_close:
            self.close()
        return raw

    def _raise(self, status: int, raw: bytes) -> None:
        text = _said(raw).rstrip(".")
        sentence = f"The studio at {self.address} answered {status}" + (f": {text}." if text else ".")
        if (status >= 500 and status not in LASTING) or status in PASSING:
            raise Unavailable("job-studio-unreachable", sentence)
        raise Refused("job-token-refused" if status in (401, 403) else "job-studio-refused", sentence, status)


def _said(raw: bytes) -> str:
    """Give the sentence of a problem, or the beginning of whatever else was answered."""
    try:
        told = json.loads(raw)
        return str(told["detail"])[:300]
    except (ValueError, KeyError, TypeError):
        return raw[:300].decode("utf-8", "replace").strip()


def quote(path: str) -> str:
    """Quote a path for a URL, keeping its slashes."""
    return urllib.parse.quote(path, safe="/")
