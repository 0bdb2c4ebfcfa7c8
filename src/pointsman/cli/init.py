"""Write a commented configuration file for this environment."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from pointsman.cli.source import probe
from pointsman.config.defaults import render
from pointsman.config.schema_json import schema_text
from pointsman.errors import ConfigError


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("file", nargs="?", type=Path, default=Path("pointsman.yaml"), help="where to write it (default: %(default)s)")
    parser.add_argument("--force", action="store_true", help="replace a file that exists")


def run(given: argparse.Namespace) -> int:
    """Write the file and, beside it, the schema that editors check it against."""
    if given.file.exists() and not given.force:
        raise ConfigError(f"{given.file} exists already: name another file, or replace it with --force")
    text, notes = render(os.environ, probe())
    schema = given.file.parent / ".pointsman" / "pointsman.schema.json"
    schema.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    schema.write_text(schema_text())
    given.file.write_text(text)
    for note in notes:
        print(note)
    print(f"wrote {given.file} (schema for editors: {schema})")
    return 0
