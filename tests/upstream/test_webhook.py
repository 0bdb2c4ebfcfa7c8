"""Messages to webhooks are signed, go where the operator allows and nowhere else, and are taken or tried again."""

from __future__ import annotations

import asyncio
import base64
import hmac
import ssl

import pytest

from pointsman.errors import ConfigError, UpstreamError, UpstreamRefused, UpstreamUnreachable
from pointsman.testing.framing import response
from pointsman.upstream.webhook import MOST_ATTEMPTS, Webhook, Webhooks, is_public, signature, wait_s
from tests.upstream.test_http import CERTIFICATE, request, server

BOTH_LOOPS = True
KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"
BODY = b'{"type":"review.approved"}'
NOW_S = 1_800_000_000


class Receiver:
    """Gives its answer, and keeps what came."""

    def __init__(self) -> None:
        self.answer = response(204, b"")
        self.got: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.got.append(await request(reader))
        writer.write(self.answer)
        await writer.drain()

    @property
    def headers(self) -> dict[str, str]:
        head = self.got[-1].partition(b"\r\n\r\n")[0].decode()
        return dict(line.split(": ", 1) for line in head.split("\r\n")[1:])


def hook(url: str, secret: str = SECRET) -> Webhook:
    return Webhook(url, secret)


def here(port: int) -> Webhooks:
    return Webhooks([f"127.0.0.1:{port}", f"localhost:{port}"], private=True)


async def test_a_message_is_signed_as_standard_webhooks_says():
    async with server(receiver := Receiver()) as port:
        await here(port).send(hook(f"http://127.0.0.1:{port}/in/box?team=a%20b"), "rev_1.approved", BODY, NOW_S)
    (got,) = receiver.got
    assert got.startswith(b"POST /in/box?team=a%20b HTTP/1.1\r\n")
    assert got.endswith(b"\r\n\r\n" + BODY)
    told = receiver.headers
    assert (told["webhook-id"], told["webhook-timestamp"], told["host"]) == ("rev_1.approved", str(NOW_S), f"127.0.0.1:{port}")
    signed = hmac.new(KEY, f"rev_1.approved.{NOW_S}.".encode() + BODY, "sha256").digest()
    assert told["webhook-signature"] == f"v1,{base64.b64encode(signed).decode()}"


def test_the_signature_is_that_of_the_published_example():
    key = Webhook("", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").key
    found = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_the_certificate_is_checked_against_the_name_and_not_the_pinned_address():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    trusting = ssl.create_default_context(cafile=CERTIFICATE)

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async with server(receiver := Receiver(), ssl=context) as port:
        hooks = Webhooks([f"localhost:{port}", f"elsewhere.test:{port}"], private=True, tls=trusting, resolve=resolve)
        await hooks.send(hook(f"https://localhost:{port}/"), "m", BODY, NOW_S)
        assert receiver.headers["host"] == f"localhost:{port}"
        for target, other in ((f"https://elsewhere.test:{port}/", hooks), (f"https://localhost:{port}/", here(port))):
            with pytest.raises(UpstreamUnreachable):
                await other.send(hook(target), "m", BODY, NOW_S)
    assert len(receiver.got) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 410, 429, 500, 503])
async def test_what_is_not_taken_is_an_error_and_redirects_are_not_followed(status):
    receiver, elsewhere = Receiver(), Receiver()
    async with server(elsewhere) as other, server(receiver) as port:
        receiver.answer = response(status, b"{}", more=f"location: http://127.0.0.1:{other}/\r\n")
        hooks = Webhooks([f"127.0.0.1:{port}", f"127.0.0.1:{other}"], private=True)
        with pytest.raises(UpstreamRefused, match=f"status {status}"):
            await hooks.send(hook(f"http://127.0.0.1:{port}/"), "m", BODY, NOW_S)
    assert (len(receiver.got), elsewhere.got) == (1, [])


async def test_who_hangs_up_has_not_taken_it():
    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)

    async with server(hangs_up) as port:
        with pytest.raises(UpstreamUnreachable, match="before an answer"):
            await here(port).send(hook(f"http://127.0.0.1:{port}/"), "m", BODY, NOW_S)
    with pytest.raises(UpstreamError, match="could not be reached"):
        await here(port).send(hook(f"http://127.0.0.1:{port}/"), "m", BODY, NOW_S)


# Where it does not go

HOSTS = ["hooks.example.com", "127.0.0.1", "[::1]", "0x7f000001", "2130706433", "0177.0.0.1", "localhost", "127.1"]


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "https://hooks.example.com:8443/",
        "https://hooks.example.com.evil.test/",
        "https://evil.test/hooks.example.com",
        "https://evil.test#hooks.example.com",
        "https://evil.test\\@hooks.example.com/",
        "https://hooks.example.com@evil.test/",
        "https://user:pass@hooks.example.com/",
        "https://hooks。example。com/",
        "https://hooks.example.com./",
        "https://hooks.example.com\r\nx: y/",
        "https://hooks.example.com:x/",
        "https://[hooks.example.com/",
        "https:///",
        "https:",
        "//hooks.example.com/",
        "file:///etc/passwd",
        "gopher://hooks.example.com/",
        "unix://hooks.example.com/",
        "",
    ],
)
async def test_what_is_not_an_allowed_https_url_is_refused_before_anything_is_looked_up(url):
    async def resolve(host: str, port: int) -> list[str]:
        raise AssertionError("looked up")

    hooks = Webhooks(HOSTS, resolve=resolve)
    with pytest.raises(ConfigError) as refused:
        await hooks.send(hook(url), "m", BODY, NOW_S)
    assert "pass@" not in str(refused.value)
    with pytest.raises(ConfigError):
        hooks.check(hook(url))


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "0x7f000001", "2130706433", "0177.0.0.1", "localhost", "127.1"])
async def test_a_host_of_this_machine_is_refused_however_it_is_spelt(host):
    hooks = Webhooks(HOSTS)
    hooks.check(hook(f"https://{host}/"))
    with pytest.raises((ConfigError, UpstreamUnreachable), match="not public|no address"):
        await hooks.send(hook(f"https://{host}/"), "m", BODY, NOW_S)


PRIVATE = """
    0.0.0.0 10.0.0.1 100.64.0.1 127.0.0.1 127.8.8.8 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.9 192.0.0.10 192.0.0.170 192.0.0.255 192.0.2.1 192.168.1.1 198.18.0.1
    198.51.100.1 203.0.113.1 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255 :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1
    ::ffff:8.8.8.8 64:ff9b::7f00:1 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1::1 2002:808:808::1 fc00::1 fd00::1
    fe80::1 fec0::1 ff02::1 3fff::1 5f00::1
"""


@pytest.mark.parametrize("address", PRIVATE.split())
async def test_an_address_that_is_not_the_internet_s_is_refused(address):
    assert not is_public(address)
    for found in ([address], ["8.8.8.8", address], []):

        async def resolve(host: str, port: int, found: list[str] = found) -> list[str]:
            return found

        with pytest.raises(ConfigError, match="not public"):
            await Webhooks(HOSTS, resolve=resolve).send(hook("https://hooks.example.com/"), "m", BODY, NOW_S)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001::1"])
def test_addresses_of_the_internet_are_not(address):
    assert is_public(address)


async def test_a_name_is_looked_up_once_and_the_call_goes_to_what_was_checked():
    looked_up = []

    async def rebinding(host: str, port: int) -> list[str]:
        looked_up.append(host)
        return ["127.0.0.1"] if len(looked_up) == 1 else ["127.9.9.9"]

    async with server(receiver := Receiver()) as port:
        await Webhooks([f"hooks.test:{port}"], private=True, resolve=rebinding).send(hook(f"http://hooks.test:{port}/"), "m", BODY, NOW_S)
    assert (looked_up, receiver.headers["host"]) == (["hooks.test"], f"hooks.test:{port}")


@pytest.mark.parametrize("secret", ["", "secret", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!!", base64.b64encode(KEY).decode(), SECRET + "é"])
def test_a_secret_that_could_be_guessed_is_refused(secret):
    with pytest.raises(ConfigError, match="24 to 64 random bytes"):
        Webhooks(["a.test"]).check(hook("https://a.test/", secret))


def test_what_is_shown_of_a_webhook_holds_neither_address_nor_secret():
    assert repr(hook("https://a.test/secret-path")) == "Webhook()"


def test_attempts_go_on_for_some_days():
    waits = [wait_s(attempts) for attempts in range(1, MOST_ATTEMPTS)]
    assert waits == sorted(waits)
    assert 2 < sum(waits) / 86_400 < 4
