"""Check, sign and export the decision log; erase what is no longer to be kept, and prove it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from pointsman.cli.audit_contents import (
    content,
    content_arguments,
    erase_arguments,
    erase_subject,
    retain,
    retain_arguments,
    subjects,
    subjects_arguments,
)
from pointsman.cli.audit_files import export, export_arguments, prove, prove_arguments
from pointsman.cli.logs import content_keys_argument, key_argument, known_checkpoints, log_arguments, named_places, places, reading
from pointsman.errors import ConfigError
from pointsman.stores.checkpoints import Checkpoint, add_checkpoint, read_checkpoints, unsigned
from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.export import Export
from pointsman.stores.keys_trail import Tenancy, compare
from pointsman.stores.log import Head, Verification
from pointsman.stores.logfile import verify
from pointsman.stores.places import Places
from pointsman.stores.proofs import check_proof
from pointsman.stores.retention import Contents, contents
from pointsman.stores.signing import load_public, load_signer, make_key, public_file, rotate_key

Act = Callable[[argparse.Namespace], int]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, (act, declare) in _ACTIONS.items():
        purpose = (act.__doc__ or "").splitlines()[0]
        sub = actions.add_parser(name, help=purpose.rstrip("."), description=act.__doc__, formatter_class=parser.formatter_class)
        log_arguments(sub)
        declare(sub)
        sub.set_defaults(act=act)


def run(given: argparse.Namespace) -> int:
    """Do what the action says; 1 if something does not hold."""
    act: Act = given.act
    return act(given)


# --- keys and checkpoints


def _keygen_arguments(parser: argparse.ArgumentParser) -> None:
    key_argument(parser)
    parser.add_argument("--rotate", action="store_true", help="replace the key by a new one, which the old one signs for")


def keygen(given: argparse.Namespace) -> int:
    """Make the key that signs checkpoints, and its public key beside it in `<key>.pub`."""
    key = named_places(given).key
    name = rotate_key(key) if given.rotate else make_key(key)
    print(f"key {name}: {key} (private, keep it from whoever can change the log), {public_file(key)} (public, for those who verify)")
    return 0


def checkpoint(given: argparse.Namespace) -> int:
    """Sign what the log is now; prints the line to keep where those who can write the log cannot."""
    found = places(given)
    made = add_checkpoint(found.log, found.checkpoints, load_signer(found.key), load_public(public_file(found.key)))
    if made is None and not (known := known_checkpoints(found.checkpoints)):
        raise ConfigError(f"{found.log}: holds no record yet: there is nothing to sign")
    print(known[-1] if made is None else made)
    return 0


# --- verify


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("exports", nargs="*", type=Path, help="exports to check in place of the log's file, in their order (JSON Lines)")
    parser.add_argument(
        "--public-key", metavar="FILE", type=Path, help="public keys that checkpoints may be signed with (default: `<key>.pub`)"
    )
    parser.add_argument(
        "--head",
        metavar="CHECKPOINT",
        help="an unsigned checkpoint printed earlier and kept elsewhere; finds a log cut short or written anew",
    )
    parser.add_argument("--proof", metavar="FILE", type=Path, help="check a proof that `prove` printed, in place of a log")
    content_keys_argument(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def verify_log(given: argparse.Namespace) -> int:
    """Walk the chain from its first record to its last, against checkpoints if there are any; or check an export or a proof."""
    if given.proof is not None:
        return _verify_proof(given)
    files = None if given.exports else places(given)
    checkpoints = _checkpoints(given, files)
    if checkpoints and (wrong := unsigned(checkpoints, _public(given, files))) is not None:
        return _say(given, False, wrong)
    found = _walked(given, files, checkpoints)
    kept = None if files is None or not found.ok else _contents(files)
    tenancy = None if files is None or not found.ok else compare(files.log)
    name = ", ".join(map(str, given.exports)) if files is None else str(files.log)
    if given.json:
        print(_verification_json(found, checkpoints, kept, tenancy))
    else:
        print("\n".join((*_verification_text(name, found, checkpoints, kept, tenancy), *_advice(given, found, checkpoints))))
    return 0 if _holds(found, kept, tenancy) else 1


def _walked(given: argparse.Namespace, files: Places | None, checkpoints: list[Checkpoint]) -> Verification:
    head = Head.parse(given.head) if given.head else None
    marks = [known.mark for known in checkpoints]
    return Export(*given.exports).verify(head, marks) if files is None else verify(files.log, head, marks)


def _checkpoints(given: argparse.Namespace, files: Places | None) -> list[Checkpoint]:
    """Those of the file named, else of the file beside the log if there is one."""
    if given.checkpoints is not None:
        if not (known := read_checkpoints(given.checkpoints)):
            raise ConfigError(f"{given.checkpoints}: holds no checkpoint: is it the file that you kept")
        return known
    return [] if files is None else known_checkpoints(files.checkpoints)


def _public(given: argparse.Namespace, files: Places | None) -> Mapping[str, bytes]:
    if given.public_key is not None:
        return load_public(given.public_key)
    if files is None:
        raise ConfigError("name the public key that checkpoints are signed with: --public-key FILE")
    return load_public(public_file(files.key))


def _contents(files: Places) -> Contents | None:
    if not files.content_keys.exists():
        return None
    keys = ContentKeys(files.content_keys)
    try:
        with reading(files.log) as log:
            return contents(log, keys)
    finally:
        keys.close()


def _verify_proof(given: argparse.Namespace) -> int:
    keys = _public(given, None)
    try:
        proof = given.proof.read_bytes()
    except OSError as error:
        raise ConfigError(f"{given.proof}: {error.strerror}") from error
    return _say(given, *check_proof(proof, keys))


def _say(given: argparse.Namespace, holds: bool, reason: str) -> int:
    print(json.dumps({"ok": holds, "reason": reason}) if given.json else reason)
    return 0 if holds else 1


def _holds(found: Verification, kept: Contents | None, tenancy: Tenancy | None) -> bool:
    return found.ok and (kept is None or kept.ok) and (tenancy is None or tenancy.ok)


def _verification_json(found: Verification, checkpoints: list[Checkpoint], kept: Contents | None, tenancy: Tenancy | None) -> str:
    broken = None if found.broken is None else {"seq": found.broken.seq, "reason": found.broken.reason}
    told = {"ok": _holds(found, kept, tenancy), "records": found.records, "head": str(found.head), "broken": broken}
    more = {"contents": None if kept is None else asdict(kept), "tenancy": None if tenancy is None else asdict(tenancy)}
    return json.dumps({**told, "checkpoints": len(checkpoints), **more})


def _verification_text(
    name: str, found: Verification, checkpoints: list[Checkpoint], kept: Contents | None, tenancy: Tenancy | None
) -> Iterator[str]:
    if found.broken is not None:
        yield f"{name}: record {found.broken.seq}: {found.broken.reason}; {found.records:,} records before it hold"
    else:
        yield f"{name}: {found.records:,} records, the chain holds"
        if checkpoints:
            last = max(checkpoints, key=lambda known: known.size)
            yield f"signed checkpoints agree: {len(checkpoints):,}, the last at record {last.size:,} of {last.at}"
    yield from () if kept is None else _contents_text(kept)
    if tenancy is not None and tenancy.ok and tenancy.compared:
        yield f"keys, teams and orgs: {tenancy.compared:,}, all as their records say"
    yield from () if tenancy is None else tenancy.wrong


def _advice(given: argparse.Namespace, found: Verification, checkpoints: list[Checkpoint]) -> Iterator[str]:
    if found.ok and not checkpoints and not given.head:
        yield "no checkpoint was at hand: a log cut short or written anew would not show"
    if found.ok:
        yield f"checkpoint to keep elsewhere: {found.head}"


def _contents_text(kept: Contents) -> Iterator[str]:
    yield f"contents: {kept.readable:,} can be read, {kept.erased:,} are erased, {kept.clear:,} are not sealed"
    if kept.lost:
        yield f"record {kept.lost[0]}: its content's key is gone, and no record says so; {len(kept.lost):,} contents in all"
    if kept.undone:
        yield f"{len(kept.undone):,} keys are there that a record says were destroyed: put back, or an erasure broke off: erase again"


_ACTIONS: dict[str, tuple[Act, Callable[[argparse.ArgumentParser], None]]] = {
    "verify": (verify_log, _verify_arguments),
    "keygen": (keygen, _keygen_arguments),
    "checkpoint": (checkpoint, key_argument),
    "export": (export, export_arguments),
    "prove": (prove, prove_arguments),
    "retain": (retain, retain_arguments),
    "subjects": (subjects, subjects_arguments),
    "erase": (erase_subject, erase_arguments),
    "content": (content, content_arguments),
}
