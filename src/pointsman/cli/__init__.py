"""The command line: one file a verb."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from pointsman import __version__
from pointsman.cli import audit, budgets, calibrate, check, explain, fake_upstream, init, keys, models, replay, serve, train
from pointsman.cli import eval as evaluate
from pointsman.errors import PointsmanError

VERBS = (init, serve, check, explain, models, keys, budgets, replay, audit, fake_upstream, evaluate, train, calibrate)


def parser() -> argparse.ArgumentParser:
    """The whole command line, from which the manual is made."""
    top = argparse.ArgumentParser(
        prog="pointsman", description="A governed LLM router and gateway.", epilog="Each command has its own --help."
    )
    top.add_argument("--version", action="version", version=f"pointsman {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="COMMAND", required=True)
    for verb in VERBS:
        name, purpose = verb.__name__.rsplit(".", 1)[-1].replace("_", "-"), (verb.__doc__ or "").strip().splitlines()[0]
        sub = verbs.add_parser(name, help=purpose.rstrip("."), description=verb.__doc__, formatter_class=_Help)
        verb.arguments(sub)
        sub.set_defaults(run=verb.run)
    return top


class _Help(argparse.RawDescriptionHelpFormatter):
    """The same width everywhere, so that the manual does not depend on a terminal."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=100)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns its exit status: 0 well, 1 a finding, 2 a mistake in what was asked or configured."""
    given = parser().parse_args(arguments)
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
