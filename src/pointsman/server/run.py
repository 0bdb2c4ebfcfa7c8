"""Start the gateway on an address and keep it there until told to stop."""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Callable
from types import FrameType

import uvicorn

from pointsman.build.service import Service, open_service
from pointsman.config.schema import Config, ServerConfig
from pointsman.errors import ConfigError
from pointsman.server.app import App, Limits
from pointsman.server.auth import Authenticator, operator_key
from pointsman.server.protocol import Protocol
from pointsman.stores.keys import weak

_DRAIN_S = 30
_BACKLOG = 2048


def check_operator_key(text: str | None, host: str) -> str | None:
    """A warning about the operator's key, if there is something to say.

    Raises `ConfigError` for an empty or weak one where others than this machine can reach the gateway. `None` means that it is not set.
    """
    if text is None or (why := weak(text)) is None:
        return None
    cure = "unset it, or take one from `python3 -c 'import secrets; print(secrets.token_urlsafe(32))'`"
    sentence = f"POINTSMAN_API_KEY {why}: {cure}"
    if not is_loopback(host):
        raise ConfigError(f"refusing to listen on {host}: {sentence}")
    return f"warning: {sentence}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0"), is_loopback("::")
    (True, True, False, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `ConfigError` where the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror or error}; choose another with --host and --port") from error
    listener.set_inheritable(True)
    return listener


async def run(
    config: Config, listener: socket.socket, operator: str | None, new_key: bool, started: Callable[[Service, str | None], None]
) -> None:
    """Serve until a signal ends it. `started` is called once requests can come, with the text of a key that was just made, if any."""
    service = await open_service(config)
    made = await service.make_key("added") if new_key else None if operator else await service.first_key()
    authenticator = Authenticator(service.keys, operator_key(operator) if operator else None)
    app = App(service.gateway, authenticator, service.waiting_for, _limits(config.server), service.aclose)
    listener.listen(_BACKLOG)  # from here on a client that comes early waits, rather than being refused
    started(service, made)
    await _server(app).serve(sockets=[listener])


def _limits(config: ServerConfig) -> Limits:
    return Limits(config.max_body_bytes, config.body_timeout_s, config.max_concurrent)


class _Server(uvicorn.Server):
    """Says what it waits for when it is told to stop."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            print(f"stopping: requests in progress have {_DRAIN_S} s to end; once more stops at once", file=sys.stderr, flush=True)
        super().handle_exit(sig, frame)


def _server(app: App) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            http=Protocol,
            loop="none",
            log_config=None,
            log_level="error",  # its warnings are about clients, who could fill the log with them
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_DRAIN_S,
        )
    )
