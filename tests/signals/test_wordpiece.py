"""Pieces are those of the tokenizer that the table was made with, for text of any kind, and nothing makes spelling slow."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.signals import wordpiece
from pointsman.signals.wordpiece import WordPiece, words

# Ids by `tokenizers` 0.23.3 with the tokenizer.json of the distilled table, its unknown words left out.
GOLDEN = [json.loads(line) for line in (Path(__file__).parents[1] / "golden/wordpiece/texts.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def pieces() -> WordPiece:
    packed = (resources.files("pointsman.catalogue") / "embedding/vocabulary.txt.gz").read_bytes()
    return WordPiece(gzip.decompress(packed).decode().splitlines())


@pytest.mark.parametrize("case", GOLDEN, ids=range(len(GOLDEN)))
def test_pieces_are_the_reference_tokenizers(pieces: WordPiece, case: dict[str, object]) -> None:
    assert pieces.ids(str(case["text"])) == case["ids"]


@given(st.text())
def test_pieces_are_counted_as_they_stand_in_the_text(pieces: WordPiece, text: str) -> None:
    assert Counter(pieces.look_up(words(text))[0].tolist()) == Counter(pieces.ids(text))


@given(st.text(st.characters() | st.sampled_from("aZ ,.-_\t\n\x00\x1f\x7f")))
def test_what_is_quick_for_most_texts_spells_as_character_by_character(text: str) -> None:
    assert words(text) == "".join(wordpiece._spell(character) for character in text).split()


@given(st.text(), st.text())
def test_texts_apart_have_the_pieces_of_each(pieces: WordPiece, first: str, second: str) -> None:
    assert pieces.ids(f"{first} {second}") == pieces.ids(first) + pieces.ids(second)


@given(st.text())
def test_case_and_runs_of_spaces_do_not_matter(text: str) -> None:
    spaced = "".join(f" {character} \n" if character.isspace() and character in " \t\n\r" else character for character in text)
    assert words(spaced) == words(text)
    if text.isascii():
        assert words(text.upper()) == words(text)


def test_any_character_may_be_met_and_few_are_remembered() -> None:
    assert words("".join(map(chr, range(0x20000))))
    assert len(wordpiece._spelling) <= wordpiece._MOST_REMEMBERED


def test_a_word_whose_rest_cannot_be_spelt_is_left_out_whole() -> None:
    assert WordPiece(["rout", "##er"]).ids("router routerx rout") == [0, 1, 0]


def test_names_of_special_pieces_in_a_text_are_the_characters_they_are(pieces: WordPiece) -> None:
    assert pieces.ids("[UNK]") == pieces.ids("[ unk ]")
