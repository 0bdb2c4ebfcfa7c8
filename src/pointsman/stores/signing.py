"""Keys that sign checkpoints (Ed25519): where they lie, who may read them, how one follows another.

The private key is a PEM file (PKCS #8) that only its owner may read. Beside it, in `<file>.pub`, stand the public keys, oldest first, one a
line: id, key, and the signature of the key before it over the line up to there. Who trusts one key can so trust those that follow.
"""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from pointsman.errors import ConfigError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_SUCCESSION = b"pointsman audit key 1\n"


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key at work; it is in no text form of this value."""

    id: str  #: 16 hex digits of the SHA-256 of the public key
    sign: Callable[[bytes], bytes]


def key_id(public: bytes) -> str:
    """What a key is called, from its 32 public bytes.

    >>> key_id(bytes(32))
    '66687aadf862bd77'
    """
    return sha256(public).hexdigest()[:16]


def public_file(path: Path) -> Path:
    """Where the public keys of a private key's file stand."""
    return path.with_name(path.name + ".pub")


def make_key(path: Path) -> str:
    """A new private key in a file that must not exist yet, and its public one beside it; returns its id. Raises `ConfigError`."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    made = Ed25519PrivateKey.generate()
    if public_file(path).exists():
        raise ConfigError(f"{public_file(path)}: exists already: move it away, or replace its key with --rotate")
    _write_new(path, _pem(made), 0o600)
    _write_new(public_file(path), _public_line(made, "-"), 0o644)
    return key_id(_raw(made))


def rotate_key(path: Path) -> str:
    """Replace the private key by a new one, which the old one signs for; returns the new one's id. The old private key is gone."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    old, known = _load(path), load_public(public_file(path))
    if key_id(_raw(old)) not in known:
        raise ConfigError(f"{public_file(path)}: does not hold the public key of `{path}`: put it back first")
    fresh = path.with_name(path.name + ".new")
    if not fresh.exists() or key_id(_raw(_load(fresh))) not in known:  # else an earlier rotation broke off before its end
        fresh.unlink(missing_ok=True)
        _write_new(fresh, _pem(made := Ed25519PrivateKey.generate()), 0o600)
        with public_file(path).open("ab") as lines:
            lines.write(_public_line(made, base64.b64encode(old.sign(_SUCCESSION + _raw(made))).decode()))
            lines.flush()
            os.fsync(lines.fileno())
    fresh.replace(path)
    return key_id(_raw(_load(path)))


def load_signer(path: Path) -> Signer:
    """The private key of a file. Raises `ConfigError` where it is missing, no such key, or others than its owner may read or change it."""
    key = _load(path)
    return Signer(key_id(_raw(key)), key.sign)


def load_public(path: Path) -> Mapping[str, bytes]:
    """The public keys of a file by id, oldest first. Raises `ConfigError` unless each is signed for by the one before."""
    try:
        lines = path.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: public keys cannot be read: {getattr(error, 'strerror', None) or 'not text'}") from error
    known: dict[str, bytes] = {}
    before: bytes | None = None
    for at, line in enumerate(lines, 1):
        try:
            name, public, endorsement = line.split()
            key = base64.b64decode(public, validate=True)
            signature = b"" if endorsement == "-" else base64.b64decode(endorsement, validate=True)
        except ValueError as error:
            raise ConfigError(f"{path}: line {at} is not a public key: write <id> <key> <signature>, as `audit keygen` does") from error
        if name != key_id(key) or (before is not None and not verified(before, signature, _SUCCESSION + key)):
            raise ConfigError(f"{path}: line {at}: the key before has not signed for this one: it may have been slipped in")
        known[name] = before = key
    if not known:
        raise ConfigError(f"{path}: holds no public key")
    return known


def verified(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the signature is that key's for that message."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _load(path: Path) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            text = file.read(10_000)
    except OSError as error:
        raise ConfigError(f"{path}: no audit key: {error.strerror}: make one with `pointsman audit keygen`") from error
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(f"{path}: others than its owner may read or change this private key: chmod 600 it, or make a new one")
    try:
        key = load_pem_private_key(text, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{path}: is not a private key in PEM, or is locked by a passphrase") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path}: is not an Ed25519 key: make one with `pointsman audit keygen`")
    return key


def _pem(key: Ed25519PrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _raw(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def _public_line(key: Ed25519PrivateKey, endorsement: str) -> bytes:
    return f"{key_id(_raw(key))} {base64.b64encode(_raw(key)).decode()} {endorsement}\n".encode()


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be made: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
