"""An encoder of the user's gives vectors that are its own, is known by the contents of its files, and is refused where it is none."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointsman.catalogue.embedder import Embedder
from pointsman.errors import ConfigError
from pointsman.signals import intents
from pointsman.signals.dense import MOST_PIECES, DenseEmbedder, load
from pointsman.signals.embedding import MOST_CHARS
from pointsman.signals.reading import read
from tests.signals.encoders import INPUTS, WORDS, described, folder, table

MODELS = Path(os.environ.get("POINTSMAN_MODELS", Path(__file__).parents[2].parent / "shared" / "models"))


def loaded(folder: Path) -> DenseEmbedder:
    return load((folder / "model.onnx").read_bytes(), (folder / "tokenizer.json").read_bytes())


pytest.importorskip("onnxruntime", reason="the extra `dense` is not installed")


def expected(*words: str) -> np.ndarray:
    rows = table()[[WORDS.index(word) for word in words]]
    return rows.sum(axis=0) / np.linalg.norm(rows.sum(axis=0))


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("how is a train late", ("how", "is", "a", "train", "late")),
        ("  BOIL\u00a0\u00a0\u00e4 Eggs", ("boil", "a", "egg", "##s")),
        ("boil zzz egg", ("boil", "egg")),
        ("egg [CLS] train", ("egg", "train")),
    ],
    ids=["longer than the file cuts", "folded", "what cannot be spelt is left out", "a mark in a text is text"],
)
def test_a_text_is_the_mean_of_what_the_encoder_gives_for_its_pieces(tmp_path: Path, text: str, pieces: tuple[str, ...]) -> None:
    known: Embedder = loaded(folder(tmp_path))
    assert known.embed([text])[0] == pytest.approx(expected(*pieces), abs=1e-6)


def test_texts_do_not_touch_each_other(tmp_path: Path) -> None:
    known = loaded(folder(tmp_path))
    texts = ["train", "boil eggs", "zzz", "train"]
    rows = known.embed(texts)
    assert rows.shape == (4, known.dims)
    assert np.array_equal(rows, np.concatenate([known.embed([text]) for text in texts]))
    assert not rows[2].any()
    assert known.embed([]).shape == (0, known.dims)


def test_of_a_long_text_the_beginning_and_the_end_are_read(tmp_path: Path) -> None:
    known = loaded(folder(tmp_path))
    begin, end = "egg " * 200, "train " * 100
    vectors = known.embed([f"{begin}{'boil ' * MOST_CHARS}{end}", f"{begin}late{end}"])
    assert np.array_equal(*vectors)


def test_of_many_short_pieces_the_first_two_thirds_and_the_last_are_read(tmp_path: Path) -> None:
    vector = loaded(folder(tmp_path)).embed([f"{'a ' * 260}{'is ' * 90}"])[0]
    last = (MOST_PIECES - 2) // 3
    assert vector == pytest.approx(expected(*["a"] * (MOST_PIECES - 2 - last), *["is"] * last), abs=1e-6)


def test_the_name_follows_the_files(tmp_path: Path) -> None:
    first, again = loaded(folder(tmp_path / "a")), loaded(folder(tmp_path / "b"))
    other = loaded(folder(tmp_path / "c", rows=table() + 1))
    renamed = loaded(folder(tmp_path / "d", tokenizer=described(vocab={word: at for at, word in enumerate((*WORDS[:-1], "be"))})))
    assert first.name == again.name
    assert len({first.name, other.name, renamed.name}) == 3


def test_an_encoder_without_types_of_tokens_will_do(tmp_path: Path) -> None:
    known = loaded(folder(tmp_path, inputs=INPUTS[:2]))
    assert known.embed(["egg"])[0] == pytest.approx(expected("egg"), abs=1e-6)


def without(name: str) -> dict[str, Any]:
    return described(vocab={word: at for at, word in enumerate(word for word in WORDS if word != name)})


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ({"tokenizer": []}, "holds no WordPiece vocabulary"),
        ({"tokenizer": without("[SEP]")}, "holds no WordPiece vocabulary"),
        ({"tokenizer": described(vocab=dict.fromkeys(WORDS, "x"))}, "is no vocabulary of an uncased BERT"),
        ({"tokenizer": described(vocab={word: 2 * at for at, word in enumerate(WORDS)})}, "is no vocabulary of an uncased BERT"),
        ({"tokenizer": described(type="BPE")}, "is no vocabulary of an uncased BERT"),
        (
            {"tokenizer": described() | {"normalizer": {"type": "BertNormalizer", "lowercase": False}}},
            "is no vocabulary of an uncased BERT",
        ),
        ({"inputs": ("pixels",)}, "takes pixels: an encoder takes input_ids"),
        ({"inputs": (*INPUTS, "position_ids")}, "takes input_ids, attention_mask, token_type_ids, position_ids: an encoder takes"),
        ({"kind": 6}, "as whole numbers of 64 bits"),
        ({"rows": np.zeros((3, 4), np.float32)}, "does not take 1 pieces of this vocabulary"),
        ({"rows": np.full((len(WORDS), 4), np.nan, np.float32)}, "gives no numbers for"),
    ],
)
def test_files_of_another_kind_are_refused(tmp_path: Path, made: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=r"^(model\.onnx|tokenizer\.json): ") as error:
        loaded(folder(tmp_path, **made))
    assert says in str(error.value)


def test_weights_in_another_file_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder(tmp_path, beside="table.bin"))
    Path("table.bin").write_bytes(table().tobytes())
    with pytest.raises(ConfigError, match=r"model.onnx: is no model that onnxruntime can read: .*xternal data"):
        loaded(Path())


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
@pytest.mark.parametrize("content", [b"", b"\x00", b'{"a":'], ids=["empty", "zero", "cut"])
def test_damaged_files_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (folder(tmp_path) / name).write_bytes(content)
    with pytest.raises(ConfigError, match=f"{name}: (holds no|is no model|takes)"):
        loaded(tmp_path)


def test_without_the_extra_the_cure_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r"onnxruntime is not installed: pip install 'pointsman\[dense\]'"):
        loaded(folder(tmp_path))


def test_intents_can_be_learned_with_it(tmp_path: Path) -> None:
    known = loaded(folder(tmp_path))
    fitted = intents.fit({"food": ["boil egg", "boil a egg", "egg"], "delay": ["train late", "a train is late", "late"]}, known)
    assert fitted.guess("how late is a train").best == "delay"
    assert np.array_equal(read("a TRAIN", known).vector, known.embed(["a train"])[0])


@pytest.mark.skipif(not (MODELS / "minilm-int8").exists(), reason="no encoder is here; POINTSMAN_MODELS names the folder of minilm-int8")
def test_minilm_knows_what_means_the_like() -> None:
    known = loaded(MODELS / "minilm-int8")
    egg, cooking, train = known.embed(["how do I boil an egg", "cooking eggs in hot water", "the 9:40 train was cancelled"])
    assert known.dims == 384
    assert egg @ cooking > 0.6 > 0.2 > abs(egg @ train)
    assert known.embed(["x" * 5_000 + "\ud800 \u6f22\u5b57" * 400]).shape == (1, 384)
