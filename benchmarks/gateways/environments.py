"""An environment for each peer, made once and kept: virtual environments and a folder of npm's."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class Missing(Exception):
    """A peer that is not here and cannot be installed; says why."""


@dataclass(frozen=True, slots=True)
class Environments:
    """The folder that holds them."""

    folder: Path
    upgrade: bool = False  #: look for newer versions of what is there

    def pip(self, name: str, requirement: str) -> tuple[Path, str]:
        """The `bin` folder of an environment with the newest release of a package, and its version."""
        home = self.folder / name
        done = home / "installed.txt"
        if self.upgrade or not done.exists():
            print(f"installing {requirement} into {home}", flush=True)
            _run([sys.executable, "-m", "venv", str(home)])
            _run([str(home / "bin/python"), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--upgrade", requirement])
            version = f"import importlib.metadata; print(importlib.metadata.version({requirement.partition('[')[0]!r}))"
            done.write_text(_run([str(home / "bin/python"), "-c", version]))
        return home / "bin", done.read_text().strip()

    def npm(self, name: str, package: str, overrides: dict[str, str]) -> tuple[Path, str]:
        """The folder of the newest release of a package, and its version."""
        home = self.folder / name
        found = home / "node_modules" / package
        if self.upgrade or not (found / "package.json").exists():
            print(f"installing {package} into {home}", flush=True)
            home.mkdir(parents=True, exist_ok=True)
            wanted = {"private": True, "dependencies": {package: "latest"}, "overrides": overrides}
            (home / "package.json").write_text(json.dumps(wanted))
            _run([program("npm"), "install", "--prefix", str(home), "--no-audit", "--no-fund", "--loglevel", "error"])
        return found, json.loads((found / "package.json").read_text())["version"]


def program(name: str) -> str:
    """Where a program is. Raises `Missing`."""
    if (found := shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")) is None:
        raise Missing(f"`{name}` is not on PATH: install it with the system's package manager")
    return found


def _run(command: Sequence[str]) -> str:
    """Its output. What a failed one said is printed rather than kept: it may name hosts."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print((done.stderr or done.stdout).strip()[-1000:])
        raise Missing(f"it could not be installed: {Path(command[0]).name} ended with {done.returncode}")
    return done.stdout
