"""Write what is made from the configuration's classes: the settings in `docs/configuration.md`, and the JSON Schema for editors.

python tools/build_config_docs.py           # write both
python tools/build_config_docs.py --check   # say whether they are current
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import msgspec
import msgspec.inspect as types

from pointsman.config import schema_json
from pointsman.config.expected import choices, description, expected
from pointsman.config.schema import Config

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs" / "configuration.md"
SCHEMA = ROOT / "src" / "pointsman" / "config" / schema_json.FILE
BEGIN = "<!-- settings: written by tools/build_config_docs.py -->"
END = "<!-- end of settings -->"

Settings = Mapping[type, tuple[types.DataclassType, list[str]]]
"""Each class of the schema, with every place where it stands in the file."""


def settings() -> Settings:
    """The classes in the order in which a reader of the file meets them."""
    found: dict[type, tuple[types.DataclassType, list[str]]] = {}
    _collect(types.type_info(Config), "", found)
    return found


def _collect(kind: types.Type, place: str, found: dict[type, tuple[types.DataclassType, list[str]]]) -> None:
    for choice in choices(kind):
        match choice:
            case types.DataclassType(cls=cls):
                found.setdefault(cls, (choice, []))[1].append(place)
                for field in choice.fields:
                    _collect(field.type, f"{place}.{field.name}" if place else field.name, found)
            case types.VarTupleType(item_type=item):
                _collect(item, f"{place}[]", found)
            case types.DictType(value_type=value):
                _collect(value, f"{place}.<name>", found)


def markdown() -> str:
    """One section a class, one row a setting."""
    return "\n".join(line for kind, places in settings().values() for line in _section(kind, places))


def _section(kind: types.DataclassType, places: list[str]) -> Iterator[str]:
    first, *others = places
    yield f"### {_heading(first)}\n"
    yield (kind.cls.__doc__ or "").strip()
    if others:
        yield f"\nAlso at {', '.join(f'`{other}`' for other in others)}."
    yield "\n| setting | takes | default | |"
    yield "|---|---|---|---|"
    for field in kind.fields:
        yield f"| `{field.name}` | {_takes(field.type)} | {_default(field)} | {description(field).replace('|', '/')} |"
    yield ""


def _heading(place: str) -> str:
    # "Settings of" keeps the links apart from those to the sections above.
    return f"Settings of `{place}`" if place else "Settings of the file"


def _takes(kind: types.Type) -> str:
    return " or ".join(_takes_one(choice) for choice in choices(kind))


def _takes_one(kind: types.Type) -> str:
    match kind:
        case types.DataclassType(cls=cls):
            return f"mapping, see {_link(cls)}"
        case types.DictType(value_type=value):
            return f"mapping of names to {_takes(value)}"
        case types.VarTupleType(item_type=types.DataclassType(cls=cls)):
            return f"list of mappings, see {_link(cls)}"
        case _:
            return expected(kind).removeprefix("a ")


def _link(cls: type) -> str:
    place = settings()[cls][1][0]
    slug = "".join(c for c in place.lower() if c.isalnum() or c in "_-")
    return f"[`{place}`](#settings-of-{slug})"


def _default(field: types.Field) -> str:
    if field.required:
        return "**required**"
    if field.default_factory is not msgspec.NODEFAULT:
        return f"`{json.dumps(field.default_factory())}`"
    value = field.default
    if value is None or value == "":
        return "not given"
    if is_dataclass(value):
        return _changed(value) or "see there"
    return f"`{json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value)}`"


def _changed(value: Any) -> str:
    """The settings in which a default differs from its class's own."""
    own, given = asdict(type(value)()), asdict(value)
    return ", ".join(f"`{name}: {given[name]}`" for name in own if own[name] != given[name])


def documented(text: str) -> str:
    """The page with its generated part made new."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{markdown()}\n{END}{after}"


def main() -> int:
    """Write the files, or with `--check` name those that are not current."""
    texts = {DOCS: documented(DOCS.read_text(encoding="utf-8")), SCHEMA: schema_json.schema_text()}
    stale = [path for path, text in texts.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv:
        for path in stale:
            print(f"{path.relative_to(ROOT)}: not current: run `python tools/build_config_docs.py`")
        return 1 if stale else 0
    for path in stale:
        path.write_text(texts[path], encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
