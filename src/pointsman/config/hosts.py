"""Hosts of addresses, read as those read them who call there."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from socket import inet_aton

_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?")


def is_plain(host: str) -> bool:
    r"""Whether a host is an address, or a name in ASCII: others are made into names that they do not look like.

    >>> is_plain("gpu_1"), is_plain("::1"), is_plain("foo\N{IDEOGRAPHIC FULL STOP}example"), is_plain("foo.example\\.internal")
    (True, True, False, False)
    """
    return _NAME.fullmatch(host) is not None or (":" in host and address_of(host) is not None)


def address_of(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host is, also in the spellings that C's `inet_aton` takes and so every call; `None` for a name.

    >>> address_of("0x7f000001"), address_of("127.1"), address_of("gpu-1")
    (IPv4Address('127.0.0.1'), IPv4Address('127.0.0.1'), None)
    """
    try:
        return IPv6Address(host) if ":" in host else IPv4Address(inet_aton(host))
    except (ValueError, OSError):
        return None


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    address = address_of(host)
    return host == "localhost" or host.endswith(".localhost") if address is None else address.is_loopback
