"""Answers as bytes."""

from __future__ import annotations

import http
import json
import os
import time

STATUS = {code: b"HTTP/1.1 %d %s\r\n" % (code, http.HTTPStatus(code).phrase.encode()) for code in map(int, http.HTTPStatus)}
JSON = b"content-type: application/json\r\n"
TEXT = b"content-type: text/plain; charset=utf-8\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def status_line(code: int) -> bytes:
    """Give the first line of an answer, also for a code that nobody has named."""
    return STATUS.get(code) or b"HTTP/1.1 %d Unnamed\r\n" % code


def new_request_id() -> bytes:
    """Make an id for a request that came without one."""
    made = os.urandom(16).hex()
    return f"{made[:8]}-{made[8:12]}-{made[12:16]}-{made[16:20]}-{made[20:]}".encode()


def problem(id: str, text: str, request_id: bytes) -> bytes:
    """Give the body of an answer that is not the script's own."""
    return json.dumps({"id": id, "message": text, "request_id": request_id.decode("latin-1")}).encode()


class Clock:
    """The wall clock as text, made anew once a second."""

    def __init__(self) -> None:
        self._second = -1
        self._date = self._stamp = ""

    def date(self) -> bytes:
        """Give the header Date with its line end."""
        self._look(time.time())
        return self._date_line

    def stamp(self) -> str:
        """Give the time for a line of the log."""
        now = time.time()
        self._look(now)
        return f"{self._stamp}.{int(now * 1000) % 1000:03d}Z"

    def _look(self, now: float) -> None:
        second = int(now)
        if second != self._second:
            self._second = second
            moment = time.gmtime(second)
            self._stamp = time.strftime("%Y-%m-%dT%H:%M:%S", moment)
            day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[moment.tm_wday]
            months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
            date = f"{day}, {moment.tm_mday:02d} {months[moment.tm_mon - 1]} {moment.tm_year} {time.strftime('%H:%M:%S', moment)} GMT"
            self._date_line = f"date: {date}\r\n".encode()
