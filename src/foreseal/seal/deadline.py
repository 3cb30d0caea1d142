"""Reading from a connection until a point in time, however slowly the bytes come.

A timeout of a socket is for each read: who sends a byte now and then is never too slow for it.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
import urllib.request
from functools import partial
from typing import Any


class Until(io.RawIOBase):
    """The bytes of a connection; raises `TimeoutError` once ``end`` (of the monotonic clock) has passed."""

    def __init__(self, connection: socket.socket, end: float) -> None:
        self._connection, self._end = connection, end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)


def open_until(request: urllib.request.Request, end: float) -> http.client.HTTPResponse:
    """Open an address; its answer, headers and body, must have been read by ``end``.

    Raises what `urllib.request.urlopen` raises.
    """
    opener = urllib.request.build_opener(_Http(end), _Https(end))
    answer: http.client.HTTPResponse = opener.open(request, timeout=max(end - time.monotonic(), 0.001))
    return answer


class _Answer(http.client.HTTPResponse):
    def __init__(self, connection: socket.socket, *args: Any, end: float, **options: Any) -> None:
        super().__init__(connection, *args, **options)
        # What was opened keeps the connection open for as long as the answer is read.
        self._whole = self.fp
        self.fp = io.BufferedReader(Until(connection, end))

    def close(self) -> None:
        super().close()
        self._whole.close()


class _Http(urllib.request.HTTPHandler):
    def __init__(self, end: float) -> None:
        super().__init__()
        self._end = end

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_connect, http.client.HTTPConnection, self._end), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, end: float) -> None:
        super().__init__()
        self._end = end

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(_connect, http.client.HTTPSConnection, self._end), req)


def _connect(kind: Any, end: float, host: str, **options: Any) -> Any:
    connection = kind(host, **options)
    connection.response_class = partial(_Answer, end=end)
    return connection
