"""Signed checkpoints find what a chain alone cannot: a log cut short, or written anew with fresh hashes."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pointsman.errors import ConfigError, RecordError
from pointsman.stores.checkpoints import Checkpoint, add_checkpoint, read_checkpoints, unsigned
from pointsman.stores.logfile import LogFile, verify
from pointsman.stores.notary import Notary
from pointsman.stores.places import Places
from pointsman.stores.proofs import check_proof, prove_growth, prove_record
from pointsman.stores.signing import load_public, load_signer, make_key, public_file, rotate_key
from tests.stores.audited import rewrite, signed, tamper, write


def sign(places: Places, every: int = 1) -> Checkpoint | None:
    return add_checkpoint(places.log, places.checkpoints, load_signer(places.key), load_public(public_file(places.key)), every)


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Places:
    places = signed(tmp_path_factory.mktemp("original"))
    for first in (0, 10, 20):
        write(places.log, 10, first)
        sign(places)
    return places


@pytest.fixture
def copy(original, tmp_path) -> Places:
    places = Places.of(tmp_path / "log.db")
    for name in ("log", "checkpoints", "key"):
        shutil.copy(getattr(original, name), getattr(places, name))
    shutil.copy(public_file(original.key), public_file(places.key))
    return places


def checked(places: Places):
    return verify(places.log, None, [known.mark for known in read_checkpoints(places.checkpoints)])


def test_each_checkpoint_goes_on_from_the_one_before(copy):
    known = read_checkpoints(copy.checkpoints)
    assert [each.size for each in known] == [10, 20, 30]
    assert unsigned(known, load_public(public_file(copy.key))) is None
    assert checked(copy).ok
    copy.checkpoints.unlink()
    assert sign(copy).root == known[-1].root, "from the start it comes to the same"


def test_nothing_new_is_not_signed_again(copy):
    assert sign(copy) is None
    write(copy.log, 5, 30)
    assert sign(copy, every=6) is None
    assert sign(copy, every=5).size == 35


def test_an_empty_log_has_nothing_to_sign(tmp_path):
    places = signed(tmp_path)
    write(places.log, 1)
    tamper(places.log, "DELETE FROM log")
    assert sign(places) is None


CORPUS = {
    "flip": ["UPDATE log SET body = x'00' WHERE seq = 5"],
    "flip the last": ["UPDATE log SET at_ns = at_ns + 1 WHERE seq = 30"],
    "delete": ["DELETE FROM log WHERE seq = 15"],
    "delete the first": ["DELETE FROM log WHERE seq = 1"],
    "insert": [
        "UPDATE log SET seq = -seq WHERE seq > 7",
        "UPDATE log SET seq = 1 - seq WHERE seq < 0",
        "INSERT INTO log SELECT 8, kind, 'x', at_ns, body, prev, hash FROM log WHERE seq = 7",
    ],
    "reorder": ["UPDATE log SET seq = 0 WHERE seq = 5", "UPDATE log SET seq = 5 WHERE seq = 6", "UPDATE log SET seq = 6 WHERE seq = 0"],
    "truncate": ["DELETE FROM log WHERE seq > 29"],
    "truncate to a checkpoint": ["DELETE FROM log WHERE seq > 20"],
    "empty": ["DELETE FROM log"],
}


@pytest.mark.parametrize("recompute", [False, True], ids=["as it is", "with fresh hashes"])
@pytest.mark.parametrize("name", CORPUS)
def test_every_change_is_found_against_a_checkpoint(copy, name, recompute):
    tamper(copy.log, *CORPUS[name])
    if recompute:
        rewrite(copy.log)
    assert not checked(copy).ok


@pytest.mark.parametrize("first", range(1, 31))
def test_a_rewrite_from_any_record_on_is_found(copy, first):
    tamper(copy.log, f"UPDATE log SET at_ns = 1 WHERE seq = {first}")
    rewrite(copy.log)
    broken = checked(copy).broken
    assert broken.seq == (first + 9) // 10 * 10
    assert "rewritten here or before" in broken.reason


def test_with_fresh_hashes_the_chain_alone_would_not_tell(copy):
    tamper(copy.log, *CORPUS["truncate to a checkpoint"], "DELETE FROM snapshots WHERE id = 's20'")
    assert verify(copy.log).ok
    assert checked(copy).broken.reason == "is missing: the log ends before its checkpoint at record 30"


def test_a_rewritten_log_is_never_signed(copy):
    tamper(copy.log, "UPDATE log SET at_ns = 1 WHERE seq = 3")
    rewrite(copy.log)
    with pytest.raises(RecordError, match="is not what its checkpoint at record 30 says"):
        sign(copy)


def test_a_broken_record_since_the_last_checkpoint_is_never_signed(copy):
    write(copy.log, 5, 30)
    tamper(copy.log, "UPDATE log SET body = x'00' WHERE seq = 33")
    with pytest.raises(RecordError, match="does not hold after record 32"):
        sign(copy)
    assert len(read_checkpoints(copy.checkpoints)) == 3


CHANGED = {"size": 29, "root": "00" * 32, "head": "00" * 32, "at": "2026-01-01T00:00:00.000000Z"}


@pytest.mark.parametrize("name", CHANGED)
def test_a_changed_checkpoint_is_not_signed(copy, name):
    fields = json.loads(copy.checkpoints.read_bytes().splitlines()[-1])
    changed = Checkpoint.parse(json.dumps(fields | {name: CHANGED[name]}, separators=(",", ":")))
    assert "it was changed" in unsigned([changed], load_public(public_file(copy.key)))
    copy.checkpoints.write_text(f"{changed}\n")
    write(copy.log, 5, 30)
    with pytest.raises(RecordError, match="nothing was signed"):
        sign(copy)


def test_changed_peaks_are_noticed(copy):
    last = read_checkpoints(copy.checkpoints)[-1]
    with pytest.raises(ConfigError, match="peaks do not give its root"):
        replace(last, peaks=last.peaks[::-1]).tree()
    with pytest.raises(ConfigError, match="has 4 peaks, not 3"):
        replace(last, peaks=last.peaks[1:]).tree()


def test_a_checkpoint_of_another_key_is_refused(copy, tmp_path):
    stranger = signed(tmp_path / "stranger")
    assert "not among yours" in unsigned(read_checkpoints(copy.checkpoints), load_public(public_file(stranger.key)))


def test_a_line_that_its_writer_could_not_finish_is_taken_back(copy):
    with copy.checkpoints.open("ab") as lines:
        lines.write(b'{"size":31,"ro')
    write(copy.log, 5, 30)
    assert sign(copy).size == 35
    assert [each.size for each in read_checkpoints(copy.checkpoints)] == [10, 20, 30, 35]


def test_a_last_line_of_rubbish_stops_the_signing(copy):
    write(copy.log, 5, 30)
    copy.checkpoints.write_bytes(copy.checkpoints.read_bytes() + b"rubbish\n")
    with pytest.raises(RecordError, match="last line of .* is not a checkpoint"):
        sign(copy)


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line.replace('"size":30', '"size":30.0'),
        lambda line: line.replace('"size":30', '"size":"30"'),
        lambda line: line.replace('{"size":30', '{"size":30,"size":30'),
        lambda line: line.replace(":", ": "),
        lambda line: line[:-20],
        lambda line: "",
        lambda line: "[]",
        lambda line: line.replace('"head":"', '"head":"00'),
        lambda line: line.replace('"size":30', '"size":0'),
    ],
)
def test_another_spelling_is_no_checkpoint(copy, change):
    line = copy.checkpoints.read_text().splitlines()[-1]
    assert str(Checkpoint.parse(line)) == line
    with pytest.raises(ConfigError, match="not a checkpoint"):
        Checkpoint.parse(change(line))


# The notary of a running gateway


def test_the_notary_signs_when_enough_came_and_at_the_end(copy):
    notary = Notary(copy, every=6)
    for count, sizes in ((5, [10, 20, 30]), (1, [10, 20, 30, 36])):
        write(copy.log, count, 100 + count)
        asyncio.run(notary.sign())
        assert [each.size for each in read_checkpoints(copy.checkpoints)] == sizes
    write(copy.log, 2, 200)
    asyncio.run(notary.sign(1))
    assert read_checkpoints(copy.checkpoints)[-1].size == 38


def test_the_notary_tells_what_keeps_it_and_goes_on_after(copy, caplog):
    notary = Notary(copy, every=1)
    write(copy.log, 2, 100)
    aside = copy.log.rename(copy.log.with_name("aside"))
    for _ in range(3):
        asyncio.run(notary.sign())
    assert "no such log" in notary.failure
    assert len(caplog.records) == 1
    aside.rename(copy.log)
    asyncio.run(notary.sign())
    assert notary.failure is None
    assert len(read_checkpoints(copy.checkpoints)) == 4


def test_notaries_that_share_a_log_sign_in_turn_and_nothing_twice(copy):
    write(copy.log, 12, 100)
    notaries = [Notary(copy, every=5) for _ in range(6)]

    async def scene():
        await asyncio.gather(*(notary.sign() for notary in notaries * 3))

    asyncio.run(scene())
    assert {notary.failure for notary in notaries} == {None}
    assert [each.size for each in read_checkpoints(copy.checkpoints)] == [10, 20, 30, 42]


def test_a_key_that_is_replaced_signs_from_then_on(copy):
    notary = Notary(copy, every=1)
    rotated = rotate_key(copy.key)
    write(copy.log, 2, 100)
    asyncio.run(notary.sign())
    known = read_checkpoints(copy.checkpoints)
    assert (notary.failure, known[-1].key, unsigned(known, load_public(public_file(copy.key)))) == (None, rotated, None)


def test_without_its_key_a_notary_does_not_begin(tmp_path):
    with pytest.raises(ConfigError, match="no audit key"):
        Notary(Places.of(tmp_path / "log.db"))


# Proofs


@pytest.mark.parametrize("seq", [1, 2, 10, 11, 30])
def test_a_record_is_proved_to_who_has_a_checkpoint_only(copy, seq):
    keys, last = load_public(public_file(copy.key)), read_checkpoints(copy.checkpoints)[-1]
    proof = proved(copy, prove_record, seq, last).encode()
    holds, said = check_proof(proof, keys)
    assert (holds, said.startswith(f"record {seq} is one of the 30 ")) == (True, True)
    for at in range(0, len(proof), 7):
        try:
            assert not check_proof(proof[:at] + bytes([proof[at] ^ 1]) + proof[at + 1 :], keys)[0]
        except (ConfigError, UnicodeDecodeError):
            pass


RESPELT = {
    "blanks at the end": lambda proof: proof + b"  ",
    "two lines more": lambda proof: proof + b"\n\n",
    "a blank at the start": lambda proof: b" " + proof,
    "a blank within": lambda proof: proof.replace(b',"path"', b', "path"'),
    "a record twice": lambda proof: proof.replace(b'{"record":', b'{"record":{"seq":9},"record":'),
    "a beginning twice": lambda proof: proof.replace(b'{"from":', b'{"from":{},"from":'),
    "a path twice": lambda proof: proof.replace(b'"path":', b'"path":[],"path":'),
    "hashes in capitals": lambda proof: proof.replace(proof[(at := proof.index(b'"path"')) : at + 80], proof[at : at + 80].upper(), 1),
}


@pytest.mark.parametrize("name", RESPELT)
def test_a_proof_has_one_spelling(copy, name):
    keys, known = load_public(public_file(copy.key)), read_checkpoints(copy.checkpoints)
    for proof in (proved(copy, prove_record, 7, known[-1]).encode(), proved(copy, prove_growth, known[0], known[-1]).encode()):
        assert check_proof(proof + b"\n", keys)[0], "as it is printed"
        if (respelt := RESPELT[name](proof)) != proof:
            with pytest.raises(ConfigError, match="not a proof as"):
                check_proof(respelt, keys)


def test_peaks_in_a_proof_have_to_give_the_root_though_nobody_signs_them(copy):
    keys, known = load_public(public_file(copy.key)), read_checkpoints(copy.checkpoints)
    for first, second in ((known[-1], known[-1]), (known[0], known[-1]), (known[-1], known[0])):
        proof = proved(copy, prove_growth, *sorted((first, second), key=lambda each: each.size))
        peak = first.peaks[0].hex()
        altered = proof.replace(f'"peaks":["{peak}"', f'"peaks":["{"00" * 32}"')
        assert altered != proof
        holds, said = check_proof(altered.encode(), keys)
        assert (holds, f"the checkpoint at record {first.size} was changed: its peaks do not give its root" in said) == (False, True)


def test_growth_is_proved_to_who_has_the_checkpoints_only(copy):
    keys, known = load_public(public_file(copy.key)), read_checkpoints(copy.checkpoints)
    for old in known:
        proof = proved(copy, prove_growth, old, known[-1])
        assert check_proof(proof.encode(), keys) == (
            True,
            f"the log of 30 records begins with the {old.size} that key `{old.key}` signed for at {old.at}",
        )
    proof = proved(copy, prove_growth, known[0], known[-1])
    rewritten = proof.replace(f'"path":["{json.loads(proof)["path"][0]}', f'"path":["{"00" * 32}')
    assert "is not proved" in check_proof(rewritten.encode(), keys)[1]


def test_what_is_not_so_cannot_be_proved(copy):
    known = read_checkpoints(copy.checkpoints)
    with pytest.raises(RecordError, match="not among the 10"):
        proved(copy, prove_record, 11, known[0])
    with pytest.raises(RecordError, match="is older than"):
        proved(copy, prove_growth, known[1], known[0])
    tamper(copy.log, "UPDATE log SET at_ns = 1 WHERE seq = 3")
    rewrite(copy.log)
    with pytest.raises(RecordError, match="not what the checkpoint says"):
        proved(copy, prove_record, 4, known[0])
    with pytest.raises(RecordError, match="not what the checkpoints say"):
        proved(copy, prove_growth, known[0], known[1])


def proved(places: Places, prove, *about) -> str:
    log = LogFile(places.log)
    try:
        return prove(log, *about)
    finally:
        log.close()


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[]", b'{"record":{},"path":[],"checkpoint":{}}', b'{"from":{},"path":["zz"],"checkpoint":{}}']
)
def test_what_is_no_proof_is_said_to_be_none(copy, text):
    with pytest.raises(ConfigError, match="not a (proof|checkpoint)"):
        check_proof(text, {})


# Keys


def test_the_private_key_is_its_owners_alone(tmp_path):
    make_key(tmp_path / "state" / "key")
    assert stat.S_IMODE((tmp_path / "state" / "key").stat().st_mode) == 0o600
    with pytest.raises(ConfigError, match="key.pub: exists already"):
        make_key(tmp_path / "state" / "key")
    (tmp_path / "state" / "key.pub").unlink()
    with pytest.raises(ConfigError, match="cannot be made: File exists"):
        make_key(tmp_path / "state" / "key")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o777])
def test_a_private_key_that_others_may_read_is_refused(tmp_path, mode):
    make_key(tmp_path / "key")
    (tmp_path / "key").chmod(mode)
    with pytest.raises(ConfigError, match="others than its owner"):
        load_signer(tmp_path / "key")


@pytest.mark.parametrize(
    ("content", "said"), [(None, "no audit key"), (b"", "not a private key"), (b"-----BEGIN RSA", "not a private key")]
)
def test_what_is_no_key_is_said_to_be_none(tmp_path, content, said):
    if content is not None:
        (tmp_path / "key").write_bytes(content)
        (tmp_path / "key").chmod(0o600)
    with pytest.raises(ConfigError, match=said):
        load_signer(tmp_path / "key")


def test_the_key_is_in_no_text_of_the_signer(tmp_path):
    make_key(tmp_path / "key")
    secret = (tmp_path / "key").read_text().splitlines()[1]
    signer = load_signer(tmp_path / "key")
    assert secret not in repr(signer)
    assert base64.b64decode(secret).hex()[-64:] not in repr(signer)


def test_a_new_key_follows_the_old_one(copy):
    old = copy.key.read_bytes()
    name = rotate_key(copy.key)
    assert copy.key.read_bytes() != old
    assert stat.S_IMODE(copy.key.stat().st_mode) == 0o600
    keys = load_public(public_file(copy.key))
    assert (len(keys), list(keys)[-1]) == (2, name)
    write(copy.log, 5, 30)
    assert sign(copy).key == name
    assert unsigned(read_checkpoints(copy.checkpoints), keys) is None


def test_a_rotation_that_broke_off_is_brought_to_its_end(copy, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("the power went")))
        with pytest.raises(OSError, match="power"):
            rotate_key(copy.key)
    assert sign(copy) is None, "the old key goes on"
    (name, successor) = load_public(public_file(copy.key))
    assert rotate_key(copy.key) == successor == load_signer(copy.key).id != name


def test_a_key_of_another_kind_is_refused(tmp_path):
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "key").write_bytes(pem)
    (tmp_path / "key").chmod(0o600)
    with pytest.raises(ConfigError, match="is not an Ed25519 key"):
        load_signer(tmp_path / "key")


def test_a_key_that_was_slipped_in_is_refused(copy, tmp_path):
    make_key(tmp_path / "theirs")
    public = public_file(copy.key)
    theirs = public_file(tmp_path / "theirs").read_text()
    public.write_text(public.read_text() + theirs)
    with pytest.raises(ConfigError, match="line 2: the key before has not signed"):
        load_public(public)
    public.write_text("nonsense\n")
    with pytest.raises(ConfigError, match="line 1 is not a public key"):
        load_public(public)
    public.write_text("")
    with pytest.raises(ConfigError, match="holds no public key"):
        load_public(public)


def test_two_processes_sign_in_turn(copy):
    write(copy.log, 200, 30)
    script = (
        "import sys; from pathlib import Path; from pointsman.stores.places import Places;"
        "from pointsman.stores.checkpoints import add_checkpoint; from pointsman.stores.signing import *;"
        "p = Places.of(Path(sys.argv[1])); k = load_public(public_file(p.key));"
        "[add_checkpoint(p.log, p.checkpoints, load_signer(p.key), k) for _ in range(20)]"
    )
    running = [subprocess.Popen([sys.executable, "-c", script, str(copy.log)]) for _ in range(2)]
    assert [process.wait() for process in running] == [0, 0]
    assert [each.size for each in read_checkpoints(copy.checkpoints)] == [10, 20, 30, 230]


def test_the_files_stand_beside_the_log():
    assert Places.of(Path("a/log.db")) == Places(
        Path("a/log.db"), Path("a/log.db-checkpoints"), Path("a/log.db-audit-key"), Path("a/log.db-content-keys")
    )
