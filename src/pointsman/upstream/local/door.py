"""Keeps llama.cpp's own HTTP server to ourselves."""

from __future__ import annotations

import http.client
import os
import secrets
import shutil
import socket
import tempfile
from contextlib import suppress
from typing import Any

import msgspec

LONGEST_SOCKET_NAME = 100  # the least that systems allow, less a little


class Door:
    """Where llama.cpp's own HTTP server listens, which it insists on doing: a socket that nobody but us can reach.

    A Unix socket in a folder of ours, behind a random key, and on Linux without a name as soon as it exists. Only where there are no
    such sockets, a loopback port behind the key.
    """

    def __init__(self) -> None:
        self.key = secrets.token_urlsafe(32)
        self._folder: str | None = None
        self._handle: int | None = None
        self.host = "127.0.0.1"
        if hasattr(socket, "AF_UNIX"):
            with suppress(OSError):
                self._folder = tempfile.mkdtemp(prefix="pointsman-")
                self.host = f"{self._folder}/llama.sock"
        if len(self.host) > LONGEST_SOCKET_NAME:
            self.close()
            self._folder, self.host = None, "127.0.0.1"

    def shut(self, address: str) -> None:
        """Take the listening socket's name away, once it listens at `address`."""
        self._address = address.removeprefix("unix://").removeprefix("http://")
        if self._folder is not None and hasattr(os, "O_PATH"):
            self._handle = os.open(self.host, os.O_PATH)
            self._address = f"/proc/self/fd/{self._handle}"
            shutil.rmtree(self._folder)

    def post(self, path: str, body: object) -> Any:
        """Ask llama.cpp's server."""
        connection = UnixConnection(self._address) if self._folder else http.client.HTTPConnection(self._address)
        try:
            connection.request("POST", path, msgspec.json.encode(body), {"authorization": f"Bearer {self.key}"})
            return msgspec.json.decode(connection.getresponse().read())
        finally:
            connection.close()

    def close(self) -> None:
        """Forget the socket."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket; the host is its path."""

    def connect(self) -> None:
        """Open the socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.host)
