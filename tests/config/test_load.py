"""Configuration files in, `Config` or every fault with its place out. Cases stand in `tests/golden/config/`."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pointsman.config.document import DEEPEST, LARGEST_BYTES, MOST_VALUES
from pointsman.config.load import load, load_file, warnings
from pointsman.errors import ConfigError

GOLDEN = sorted((Path(__file__).parents[1] / "golden" / "config").glob("*.txt"))
SECRET = "sk-do-not-print-me"
ENV = {"KEY": SECRET, "EMPTY": "", "PORT": "9000", "DIGITS": "12345", "YES": "true", "BROKEN_KEY": f"{SECRET}\n"}

SMALL = "version: 1\nmodels: [{id: tiny, provider: local, weights: w}]\nroutes: {auto: {}}\n"


def outcome(text: str) -> str:
    """`ok` and the warnings, or the errors."""
    try:
        config = load(text, "pointsman.yaml", ENV)
    except ConfigError as error:
        return str(error)
    return "\n".join(["ok", *(f"warning: {warning}" for warning in warnings(config))])


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden(path: Path) -> None:
    text, expected = path.read_text(encoding="utf-8").split("\n-----\n")
    assert outcome(text + "\n") == expected.strip()


def test_there_are_enough_golden_cases() -> None:
    assert len(GOLDEN) >= 35


def test_no_error_repeats_a_secret() -> None:
    """Neither a key from the environment nor one written into the file, wherever it went astray."""
    places = [
        f"api_key: {SECRET}",  # right, but the model has another fault
        f"api_key: [{SECRET}]",
        f"api_key: {{value: {SECRET}}}",
        "api_key: ${BROKEN_KEY}",
        "tries: ${KEY}",
        "perimeter: ${KEY}",
        f"base_url: http://me:{SECRET}@host/v1",
        f"base_url: {SECRET}",
        f"capabilities: {SECRET}",
        "approved: ${KEY}",
        "api_key: 123456",
        "tokenizer: ${KEY}",
        "price: {as_of: '${KEY}'}",
        "provider: ${KEY}",
    ]

    def rest(place: str) -> str:
        return "" if place.startswith("provider") else "    provider: somewhere\n"

    for place in places:
        said = outcome(f"version: 1\nmodels:\n  - id: m\n    {place}\n{rest(place)}routes: {{}}\n")
        assert said.startswith("pointsman.yaml: "), place
        assert SECRET not in said
        assert "123456" not in said


def test_a_key_without_its_space_is_not_repeated() -> None:
    assert SECRET not in outcome(f"version: 1\nmodels:\n  - api_key:{SECRET}\nroutes: {{}}\n")


def test_a_configuration_shows_no_key_when_printed() -> None:
    config = load("version: 1\nmodels: [{id: m, provider: openai, api_key: '${KEY}'}]\nroutes: {}", "c", ENV)
    assert config.models[0].api_key == SECRET
    assert SECRET not in repr(config)


# Limits


def test_aliases_cannot_expand_without_end() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert f"more than {MOST_VALUES:,} values, aliases expanded" in outcome(bomb)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 100_000, id="lists"),
        pytest.param("{a: " * 100_000, id="mappings"),
        pytest.param("- " * 100_000, id="blocks"),
        pytest.param("? " * 100_000, id="keys"),
    ],
)
def test_depth_is_bounded(text: str) -> None:
    assert "pointsman.yaml: " in outcome(text)


def test_depth_is_named() -> None:
    assert f"nested deeper than {DEEPEST} levels" in outcome("[" * 50 + "]" * 50)


def test_an_alias_inside_its_own_anchor_is_refused() -> None:
    assert "alias `*a` stands before the end of its anchor" in outcome("a: &a [*a]")


def test_size_is_bounded(tmp_path: Path) -> None:
    file = tmp_path / "pointsman.yaml"
    file.write_bytes(b"#" * (LARGEST_BYTES + 1))
    with pytest.raises(ConfigError, match="larger than 5,000,000 bytes"):
        load_file(file, {})
    with pytest.raises(ConfigError, match="larger than 5,000,000 bytes"):
        load("é" * (LARGEST_BYTES // 2 + 1), "pointsman.yaml", {})


def test_an_endless_file_is_refused() -> None:
    with pytest.raises(ConfigError, match="/dev/zero: larger than"):
        load_file("/dev/zero", {})


def test_many_errors_are_cut_short() -> None:
    lines = outcome(SMALL + "".join(f"key{n}: 1\n" for n in range(80))).splitlines()
    assert len(lines) == 51
    assert lines[-1] == "pointsman.yaml: and 30 more"


# Files


def test_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "pointsman.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + SMALL.encode())
    assert load_file(file, {}).models[0].id == "tiny"
    assert load_file(str(file), {}) == load(SMALL, "other", {})


@pytest.mark.parametrize(
    ("make", "says"),
    [
        pytest.param(lambda path: None, "no such file: `pointsman init` writes one", id="missing"),
        pytest.param(lambda path: path.mkdir(), "cannot be read: Is a directory", id="directory"),
        pytest.param(lambda path: path.write_bytes(b"a: \xff"), "not UTF-8 at byte 4: save it as UTF-8", id="latin-1"),
        pytest.param(lambda path: path.write_bytes(b""), "empty: `pointsman init` writes a configuration to start from", id="empty"),
        pytest.param(lambda path: path.write_bytes(b"a: \x00"), "not readable as YAML", id="null character"),
    ],
)
def test_an_unreadable_file_says_why(tmp_path: Path, make: object, says: str) -> None:
    file = tmp_path / "pointsman.yaml"
    make(file)  # type: ignore[operator]
    with pytest.raises(ConfigError) as caught:
        load_file(file, {})
    assert str(caught.value).startswith(f"{file}: ")
    assert says in str(caught.value)


def test_a_path_that_cannot_exist_is_an_error_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_file("a\0b", {})


# Environment variables


def route_of(dial: str, env: dict[str, str]) -> object:
    return (
        load(f"version: 1\nmodels: [{{id: m, provider: local, weights: w}}]\nroutes:\n  r:\n    dial: {dial}\n", "c", env).routes["r"].dial
    )


def region_of(text: str, env: dict[str, str]) -> str:
    config = load(f"version: 1\nmodels:\n- id: m\n  provider: local\n  weights: w\n  region: {text}\nroutes: {{}}\n", "c", env)
    return config.models[0].region


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${D}", 0.25),
        ("${D:-1}", 0.25),
        ("${NOT_SET:-1}", 1.0),
        ("${EMPTY:-1}", 1.0),
        ("${EMPTY}", None),  # as if the key were absent
        ("${NOT_SET:-}", None),
    ],
)
def test_a_variable_can_be_a_number(text: str, value: object) -> None:
    assert route_of(text, {"D": "0.25", "EMPTY": ""}) == value


@pytest.mark.parametrize("text", ['"${D}"', "'${D}'", "0${D}", "${D}${E}"])
def test_only_a_bare_variable_from_end_to_end_becomes_a_number(text: str) -> None:
    with pytest.raises(ConfigError, match="expected a number from 0 to 1"):
        route_of(text, {"D": "0.25", "E": ""})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${R}", "eu"),
        ("${R}-west", "eu-west"),
        ("${N}", "007"),  # digits, but a string is wanted
        ("${NOT_SET:-a b}", "a b"),
        ("$${R}", "${R}"),
        ("$$${R}", "$${R}"),
        ("$R", "$R"),
        ('"${R} ${N}"', "eu 007"),
        ("${NESTED}", "${R}"),  # what a variable holds is not read again
    ],
)
def test_variables_in_strings(text: str, value: str) -> None:
    assert region_of(text, {"R": "eu", "N": "007", "NESTED": "${R}"}) == value


def test_a_variable_that_is_not_text_is_refused() -> None:
    with pytest.raises(ConfigError, match="environment variable `R` does not hold UTF-8"):
        region_of("${R}", {"R": b"\xff".decode("utf-8", "surrogateescape")})


@settings(deadline=None)
@given(value=st.text(st.characters(codec="utf-8")))
@example(value="x: [y]\n- z # & *")
@example(value="${KEY}")
def test_what_a_variable_holds_is_never_read_as_yaml(value: str) -> None:
    assert region_of("${R}", {"R": value}) == value
    assert region_of('"<${R}>"', {"R": value}) == f"<{value}>"


@settings(deadline=None)
@given(text=st.text(st.characters(codec="utf-8", exclude_characters="$"), max_size=40), value=st.text(max_size=10))
def test_text_without_a_dollar_never_changes(text: str, value: str) -> None:
    quoted = "".join(f"\\U{ord(c):08x}" for c in text)
    assert region_of(f'"{quoted}"', {"R": value}) == text


@settings(deadline=None)
@given(text=st.text("${}:-AB", max_size=20))
def test_substitution_always_ends_in_a_value_or_a_config_error(text: str) -> None:
    try:
        region_of(f'"{text}"', {"A": "a", "B": ""})
    except ConfigError as error:
        assert str(error).startswith("c: models[0].region: 6:11: ")


# Any text at all

keys = st.sampled_from(
    ["version", "models", "routes", "id", "provider", "weights", "rules", "when", "labels", "policies", "dial", "require", "<<", "x"]
)
scalars = st.one_of(
    st.sampled_from(["1", "true", "null", "", "~", "local", "a: b", "&a x", "*a", "!!int 3", "${KEY}", "${", "1e999", ".nan", "-", "?"]),
    st.integers().map(str),
    st.text(max_size=5),
)
trees = st.recursive(
    scalars,
    lambda below: st.one_of(
        st.lists(below, max_size=4).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(st.tuples(keys, below), max_size=4).map(lambda items: "{" + ", ".join(f"{k}: {v}" for k, v in items) + "}"),
    ),
    max_leaves=15,
)
documents = st.lists(st.tuples(keys, trees), max_size=6).map(lambda items: "\n".join(f"{key}: {tree}" for key, tree in items))


@settings(deadline=None)
@given(text=st.one_of(documents, st.text(), st.text("\n\t -:[]{}&*!|>'\"%@`#?,a1${}", max_size=40)))
@example(text="\ud800")
@example(text='a: "\\ud800"')
@example(text="%TAG ! tag:x,2000:\n---\na: 1")
@example(text="%YAML 1.3\n---\na: 1")
@example(text="? [a, *b]\n: 1")
@example(text="models: [{quality: {1: 2}}]")
@example(text="--- a\n--- b")
@example(text="\x85")
def test_any_text_gives_a_configuration_or_a_config_error(text: str) -> None:
    try:
        load(text, "c", {})
    except ConfigError as error:
        assert str(error).startswith("c: ")


def test_a_bad_condition_in_any_characters_is_a_config_error() -> None:
    for when in ("\\uD83D", "\\0", "((((" * 100, "a" * 10_000, "[1].map(x, x) == [1]", "1 + 'a'", "labels.all(l, l)"):
        try:
            load(f'{SMALL}policies: [{{name: p, when: "{when}", forbid: {{tags: [t]}}}}]', "c", {})
        except ConfigError as error:
            assert str(error).startswith("c: ")
