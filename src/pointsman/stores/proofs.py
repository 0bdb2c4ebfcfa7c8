"""Proofs for somebody who has a checkpoint and not the log: that one record is in it, or that the log only grew from one to the next.

A proof is one JSON object: `record`, a line of an export, or `from`, the earlier checkpoint; `checkpoint`; and `path`, hashes in hex.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import islice

import msgspec

from pointsman.errors import ConfigError, RecordError
from pointsman.stores.chain import Row, link
from pointsman.stores.checkpoints import Checkpoint, unsigned
from pointsman.stores.export import line, read_line
from pointsman.stores.logfile import LogFile
from pointsman.stores.merkle import Range, Tree, consistency_ranges, inclusion_ranges, proves_consistency, proves_inclusion

_PIECE = 65_536
_NO_PROOF = "this is not a proof as `pointsman audit prove` prints it"


class _Inclusion(msgspec.Struct, forbid_unknown_fields=True):
    record: msgspec.Raw
    path: list[str]
    checkpoint: msgspec.Raw


class _Consistency(msgspec.Struct, forbid_unknown_fields=True):
    since: msgspec.Raw = msgspec.field(name="from")
    path: list[str]
    checkpoint: msgspec.Raw


def prove_record(log: LogFile, seq: int, checkpoint: Checkpoint) -> str:
    """The proof that a record is in the log of that checkpoint. Raises `RecordError` where it is not."""
    row = next(log.chain(seq - 1, seq), None)
    if row is None or not 0 < seq <= checkpoint.size:
        raise RecordError(f"record {seq} is not among the {checkpoint.size} of the checkpoint")
    path = _roots(log, inclusion_ranges(seq - 1, checkpoint.size))
    if not _included(row, checkpoint, path):
        raise RecordError(f"record {seq} cannot be proved: the log is not what the checkpoint says: `pointsman audit verify` tells more")
    return _record_proof(row, path, checkpoint)


def prove_growth(log: LogFile, old: Checkpoint, new: Checkpoint) -> str:
    """The proof that what the older checkpoint stands for is the beginning of what the newer does. Raises `RecordError` where it is not."""
    if old.size > new.size:
        raise RecordError(f"the checkpoint at record {new.size} is older than the one at record {old.size}")
    path = _roots(log, consistency_ranges(old.size, new.size))
    if not proves_consistency(old.size, new.size, path, old.root, new.root):
        raise RecordError("this cannot be proved: the log is not what the checkpoints say: `pointsman audit verify` tells more")
    return _growth_proof(old, path, new)


def check_proof(proof: bytes, keys: Mapping[str, bytes]) -> tuple[bool, str]:
    """Whether a proof holds, and what it proves or why it does not. Raises `ConfigError` for what is no proof."""
    try:
        if b'"record":' in proof[:20]:
            inclusion = msgspec.json.decode(proof, type=_Inclusion)
            row = read_line(bytes(inclusion.record) + b"\n")
            if len(row) == 2:
                raise ValueError("a snapshot's content is not a record")
            checkpoint, path = Checkpoint.parse(bytes(inclusion.checkpoint)), _path(inclusion.path)
            _require_spelling(proof, _record_proof(row, path, checkpoint))
            return _check_record(row, checkpoint, path, keys)
        growth = msgspec.json.decode(proof, type=_Consistency)
        old, new = Checkpoint.parse(bytes(growth.since)), Checkpoint.parse(bytes(growth.checkpoint))
        path = _path(growth.path)
        _require_spelling(proof, _growth_proof(old, path, new))
        return _check_growth(old, new, path, keys)
    except ValueError as error:  # msgspec's are among them
        raise ConfigError(f"{_NO_PROOF}: {error}") from error


def _check_record(row: Row, checkpoint: Checkpoint, path: Sequence[bytes], keys: Mapping[str, bytes]) -> tuple[bool, str]:
    if (wrong := _unsound([checkpoint], keys)) is not None:
        return False, wrong
    if not _included(row, checkpoint, path):
        return False, f"record {row[0]} is not proved: it, or the path, is not that of the checkpoint"
    return True, f"record {row[0]} is one of the {checkpoint.size} that key `{checkpoint.key}` signed for at {checkpoint.at}"


def _check_growth(old: Checkpoint, new: Checkpoint, path: Sequence[bytes], keys: Mapping[str, bytes]) -> tuple[bool, str]:
    if (wrong := _unsound([old, new], keys)) is not None:
        return False, wrong
    if not proves_consistency(old.size, new.size, path, old.root, new.root):
        return False, f"that the log of {new.size} records goes on from that of {old.size} is not proved"
    return True, f"the log of {new.size} records begins with the {old.size} that key `{old.key}` signed for at {old.at}"


def _included(row: Row, checkpoint: Checkpoint, path: Sequence[bytes]) -> bool:
    seq, kind, decision, at_ns, body, prev, digest = row
    fits = 0 < seq <= checkpoint.size and link(prev, seq, kind, decision, at_ns, body) == digest
    return fits and proves_inclusion(digest, seq - 1, checkpoint.size, path, checkpoint.root)


def _roots(log: LogFile, ranges: Sequence[Range]) -> list[bytes]:
    return [_root(log, *each) for each in ranges]


def _root(log: LogFile, first: int, last: int) -> bytes:
    tree, hashes = Tree(), log.hashes(first + 1, last)
    while some := list(islice(hashes, _PIECE)):
        tree.extend(some)
    return tree.root()


def _path(texts: Sequence[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


def _require_spelling(proof: bytes, written: str) -> None:
    """As it was printed: in another spelling two tools could read two things."""
    if proof not in (written.encode(), f"{written}\n".encode()):
        raise ConfigError(f"{_NO_PROOF}: it is spelt in another way")


def _unsound(checkpoints: Sequence[Checkpoint], keys: Mapping[str, bytes]) -> str | None:
    """What is wrong with them, their peaks included, which no key signs."""
    if (wrong := unsigned(checkpoints, keys)) is not None:
        return wrong
    try:
        for checkpoint in checkpoints:
            checkpoint.tree()
    except ConfigError as error:
        return str(error)
    return None


def _record_proof(row: Row, path: Sequence[bytes], checkpoint: Checkpoint) -> str:
    return _written("record", line(row).decode().rstrip("\n"), path, checkpoint)


def _growth_proof(old: Checkpoint, path: Sequence[bytes], new: Checkpoint) -> str:
    return _written("from", str(old), path, new)


def _written(name: str, text: str, path: Sequence[bytes], checkpoint: Checkpoint) -> str:
    return f'{{"{name}":{text},"path":{json.dumps([each.hex() for each in path])},"checkpoint":{checkpoint}}}'
