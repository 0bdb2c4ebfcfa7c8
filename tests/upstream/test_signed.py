"""Calls to clouds are signed as the server would check it, and their tokens are renewed, over real connections."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from pointsman.config.bedrock import aws_place
from pointsman.errors import UpstreamUnavailable
from pointsman.upstream import signed
from pointsman.upstream.http import HttpTransport, Pool
from pointsman.upstream.signed import AwsSigner, GoogleSigner, LookUps, NoProof, SignedTransport
from tests.upstream.aws import SECRET, assert_signed

AWS = pytest.mark.skipif(not importlib.util.find_spec("botocore"), reason="needs the extra `aws` (botocore)")
GOOGLE = pytest.mark.skipif(
    not (importlib.util.find_spec("google") and importlib.util.find_spec("google.auth")), reason="needs the extra `google` (google-auth)"
)
PLACE = ("bedrock", "eu-central-1")
SAID = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


class Asked(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


@asynccontextmanager
async def server(answer: Callable[[Asked], tuple[int, bytes]]) -> AsyncIterator[tuple[str, list[Asked]]]:
    """Its base URL, and what it is asked."""
    asked: list[Asked] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        asked.append(Asked(first.split(" ")[1], headers, await reader.readexactly(int(headers["content-length"]))))
        status, body = answer(asked[-1])
        writer.write(b"HTTP/1.1 %d OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % (status, len(body)) + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", asked


@pytest.fixture
def pool() -> Pool:
    return Pool()


@AWS
@pytest.mark.parametrize("token", [None, "a-session"])
@pytest.mark.parametrize("headers", [SAID, {**SAID, "anthropic-version": "2023-06-01"}], ids=["chat", "messages"])
async def test_a_call_is_signed_as_it_arrives(pool, aws, headers, token):
    if token is not None:
        aws.setenv("AWS_SESSION_TOKEN", token)
    async with server(lambda _: (200, b"{}")) as (url, asked):
        transport = SignedTransport(f"{url}/openai/v1", HttpTransport(f"{url}/openai/v1", pool), AwsSigner(*PLACE), "claude")
        for body in (b'{"model":"m"}', '{"said":"\u00e9"}'.encode()):
            reply = await transport.send("/chat/completions", headers, body)
            assert reply.status == 200
            await reply.aclose()
        await transport.aclose()
    for call in asked:
        assert call.path == "/openai/v1/chat/completions"
        assert {name: call.headers[name] for name in headers} == headers
        assert call.headers.get("x-amz-security-token") == token
        assert_signed(*call)
        assert {"host", "x-amz-date", *headers} <= set(
            call.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
        )


@AWS
@pytest.mark.parametrize(
    ("base_url", "scope"),
    [
        ("https://bedrock-mantle.us-east-1.api.aws/v1", "/us-east-1/bedrock-mantle/"),
        ("https://bedrock-runtime.us-gov-west-1.amazonaws.com/anthropic/v1", "/us-gov-west-1/bedrock/"),
        ("https://bedrock-runtime-fips.us-west-2.amazonaws.com/openai/v1", "/us-west-2/bedrock/"),
        ("https://vpce-0a-1b.bedrock-runtime.ap-southeast-2.vpce.amazonaws.com/openai/v1", "/ap-southeast-2/bedrock/"),
    ],
)
async def test_the_address_says_for_which_service_and_region(aws, base_url, scope):
    assert scope in (await AwsSigner(*aws_place(base_url)).sign(f"{base_url}/messages", SAID, b"{}"))["authorization"]


async def refused(transport: SignedTransport, caplog: pytest.LogCaptureFixture) -> str:
    """What the log says of two calls that could not be signed: one line."""
    for _ in range(2):
        with pytest.raises(UpstreamUnavailable, match="^`claude` is unavailable$"):
            await transport.send("/chat/completions", SAID, b"{}")
    [said] = caplog.messages
    caplog.clear()
    return said


@AWS
async def test_without_credentials_nothing_is_sent_and_the_log_tells_the_cure_once(pool, aws, caplog):
    aws.delenv("AWS_ACCESS_KEY_ID")
    async with server(lambda _: (200, b"{}")) as (url, asked):
        transport = SignedTransport(url, HttpTransport(url, pool), AwsSigner(*PLACE), "claude")
        cures = {
            "AWS_SECRET_ACCESS_KEY": r"no credentials of AWS were found: set AWS_ACCESS_KEY_ID and .* `aws sts get-caller-identity`",
            "none": r"the credentials of AWS could not be used: ProfileNotFound: .*\(nobody\).*: see what `aws sts get-caller-identity`",
        }
        for gone, cure in cures.items():
            aws.delenv(gone, raising=False)
            assert re.match(rf"`claude` is unavailable: {cure}", await refused(transport, caplog))
            aws.setenv("AWS_PROFILE", "nobody")
            transport = SignedTransport(url, HttpTransport(url, pool), AwsSigner(*PLACE), "claude")
        assert asked == []
        await transport.aclose()


@AWS
async def test_credentials_that_are_lost_again_are_told_again(pool, aws, caplog):
    given = iter([{}, None, SAID, None])

    class Fickle:
        async def sign(self, url: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
            if (found := next(given)) is None:
                raise NoProof("why")
            return found

    async with server(lambda _: (200, b"{}")) as (url, _):
        transport = SignedTransport(url, HttpTransport(url, pool), Fickle(), "m")
        for fails in (False, True, False, True):
            with pytest.raises(UpstreamUnavailable) if fails else nullcontext():
                await (await transport.send("/chat/completions", SAID, b"{}")).aclose()
        await transport.aclose()
    assert caplog.messages == ["`m` is unavailable: why"] * 2


class Hanging:
    """A look-up that takes until it is ended."""

    def __init__(self) -> None:
        self.asked, self._end = [], threading.Event()

    def __call__(self, *_: object) -> None:
        self.asked.append(threading.current_thread())
        self._end.wait()

    def end(self) -> None:
        self._end.set()
        for thread in self.asked:
            thread.join()


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    yield (look := Hanging())
    look.end()


async def waiting(look_ups: LookUps, number: int) -> list[asyncio.Task[None]]:
    """Who waits for a look-up by now."""
    tasks = [asyncio.create_task(look_ups.wait()) for _ in range(number)]
    await asyncio.wait(tasks, timeout=0)
    return tasks


async def test_a_look_up_that_hangs_is_shared_by_who_waits_and_keeps_nobody_else_waiting(hanging):
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    first, *others = await waiting(LookUps("hangs", hanging), 12)
    assert await asyncio.to_thread(lambda: "answers") == "answers"
    first.cancel()
    await asyncio.wait([first])
    assert not any(task.done() for task in others), "who gives up leaves the others waiting"
    hanging.end()
    await asyncio.gather(*others)
    assert len(hanging.asked) == 1


async def test_a_reload_leaves_no_more_threads_behind_than_one(hanging):
    looked = threading.Event()
    [before] = await waiting(LookUps("reloaded", hanging), 1)
    after = [task for _ in range(9) for task in await waiting(LookUps("reloaded", looked.set), 2)]
    LookUps("reloaded", looked.set).renew()
    assert not looked.is_set()
    assert [thread.name for thread in threading.enumerate()].count("looks for reloaded") == 1
    hanging.end()
    await asyncio.gather(before, *after)
    assert looked.is_set(), "what it found is the other's: it looks for itself"


@pytest.mark.parametrize(
    ("error", "says"),
    [(NoProof("why"), "^why$"), (OSError(5, "broken"), r"^credentials could not be looked for: OSError: \[Errno 5\] broken$")],
)
async def test_a_look_up_that_failed_is_believed_for_a_while(monkeypatch, error, says):
    asked = []

    def fails() -> None:
        asked.append(1)
        raise error

    look_ups = LookUps("fails", fails)
    for remembered_s, looked in ((3600, 1), (0, 4)):
        monkeypatch.setattr(signed, "REMEMBERED_S", remembered_s)
        for _ in range(3):
            with pytest.raises(NoProof, match=says):
                await look_ups.wait()
        assert len(asked) == looked


@AWS
async def test_credentials_that_still_hold_are_used_while_their_renewal_hangs(aws, hanging):
    from botocore.credentials import RefreshableCredentials

    signer, now = AwsSigner("bedrock", "eu-west-3"), datetime.now(UTC)
    signer._session._credentials = lent = RefreshableCredentials("AKID", SECRET, "t", now + timedelta(hours=1), hanging, "a role")
    assert "AKID" in (await signer.sign("https://host", SAID, b"{}"))["authorization"]
    assert hanging.asked == []
    lent._expiry_time = now + timedelta(minutes=5)
    for _ in range(3):
        assert "AKID" in (await signer.sign("https://host", SAID, b"{}"))["authorization"]
    lent._expiry_time = now
    late = asyncio.create_task(signer.sign("https://host", SAID, b"{}"))
    await asyncio.wait([late], timeout=0)
    assert (len(hanging.asked), late.done()) == (1, False)
    hanging.end()
    with pytest.raises(NoProof, match="CredentialRetrievalError"):
        await late


def account(folder: Path, token_uri: str) -> Path:
    """A service account's file, as Google gives it out."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    file = folder / "account.json"
    names = {"type": "service_account", "project_id": "p", "client_email": "a@p.iam.example.com", "private_key_id": "1"}
    file.write_text(json.dumps({**names, "private_key": pem, "token_uri": token_uri}))
    return file


@GOOGLE
@pytest.mark.parametrize(("holds_s", "fetched"), [(3_600, 1), (5, 3)], ids=["holds", "runs out"])
async def test_a_token_is_fetched_once_and_again_before_it_runs_out(pool, monkeypatch, tmp_path, holds_s, fetched):
    given = iter(f"ya29.{number}" for number in range(9))

    def answer(asked: Asked) -> tuple[int, bytes]:
        if asked.path != "/token":
            return 200, b"{}"
        assert parse_qs(asked.body.decode())["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        return 200, json.dumps({"access_token": next(given), "expires_in": holds_s, "token_type": "Bearer"}).encode()

    async with server(answer) as (url, asked):
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account(tmp_path, f"{url}/token")))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        transport = SignedTransport(url, HttpTransport(url, pool), GoogleSigner(), "claude")
        for _ in range(3):
            await (await transport.send("/chat/completions", SAID, b"{}")).aclose()
        await transport.aclose()
    assert sum(call.path == "/token" for call in asked) == fetched
    calls = [call for call in asked if call.path == "/chat/completions"]
    assert [call.headers["authorization"] for call in calls] == [f"Bearer ya29.{number if fetched > 1 else 0}" for number in range(3)]
    assert all(call.headers["content-type"] == "application/json" for call in calls)


@GOOGLE
@pytest.mark.parametrize(
    ("broken", "why", "cure"),
    [
        ("refused", "no token could be had from Google: RefreshError: ", "`gcloud auth application-default print-access-token`"),
        ("no file", "no credentials of Google were found: DefaultCredentialsError: ", "GOOGLE_APPLICATION_CREDENTIALS"),
    ],
)
async def test_without_a_token_nothing_is_sent_and_the_log_tells_the_cure_once(pool, monkeypatch, tmp_path, caplog, broken, why, cure):
    async with server(lambda asked: (400, b'{"error":"invalid_grant"}') if asked.path == "/token" else (200, b"{}")) as (url, asked):
        file = account(tmp_path, f"{url}/token") if broken == "refused" else tmp_path / "none.json"
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        transport = SignedTransport(url, HttpTransport(url, pool), GoogleSigner(), "claude")
        said = await refused(transport, caplog)
        assert said.startswith(f"`claude` is unavailable: {why}")
        assert cure in said.removeprefix(f"`claude` is unavailable: {why}")
        assert {call.path for call in asked} == ({"/token"} if broken == "refused" else set())
        await transport.aclose()
