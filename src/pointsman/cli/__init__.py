"""The command line: one file a verb."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from pointsman import __version__
from pointsman.errors import PointsmanError

VERBS = (
    *("init", "serve", "check", "explain", "models", "keys", "budgets", "review"),
    *("replay", "audit", "fake-upstream", "eval", "train", "calibrate"),
)
"""The commands, each in the file of its name."""


def parser(verbs: Sequence[str] = VERBS) -> argparse.ArgumentParser:
    """The command line; with all of `VERBS` the one that the manual is made from. Each verb named is imported."""
    top = argparse.ArgumentParser(
        prog="pointsman", description="A governed LLM router and gateway.", epilog="Each command has its own --help."
    )
    top.add_argument("--version", action="version", version=f"pointsman {__version__}")
    commands = top.add_subparsers(dest="verb", metavar="COMMAND", required=True)
    for name in verbs:
        verb = import_module(f"pointsman.cli.{name.replace('-', '_')}")
        purpose = (verb.__doc__ or "").strip().splitlines()[0]
        sub = commands.add_parser(name, help=purpose.rstrip("."), description=verb.__doc__, formatter_class=_Help)
        verb.arguments(sub)
        sub.set_defaults(run=verb.run)
    return top


class _Help(argparse.RawDescriptionHelpFormatter):
    """The same width everywhere, so that the manual does not depend on a terminal."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=100)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status: 0 well, 1 a finding, 2 a mistake in what was asked or configured."""
    words = sys.argv[1:] if arguments is None else arguments
    # Only what is asked for is imported: others' imports would be most of the time that a start takes.
    given = parser(words[:1] if words and words[0] in VERBS else VERBS).parse_args(words)
    try:
        status: int = given.run(given)
    except PointsmanError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader of our output left (`| head`); say no more, also not at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    return status
