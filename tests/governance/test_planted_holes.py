"""`pointsman check --matrix` finds each of the planted holes, names it, and has nothing to say of its mended twin."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointsman.cli import main
from tests.governance.planted import HOLES, REFUSED, Planted


@pytest.mark.parametrize("planted", HOLES, ids=lambda planted: planted.name)
def test_a_hole_is_found_and_its_mended_twin_is_clean(planted: Planted, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "pointsman.yaml"
    for text, status in ((planted.hole, 1), (planted.mended, 0)):
        file.write_text(text)
        assert main(["check", "--matrix", "--config", str(file)]) == status, capsys.readouterr().out
        said = " ".join(capsys.readouterr().out.split())
        assert (planted.said in said) is bool(status), said
        assert ("not usable as it is" in said) is bool(status)
        file.write_text(text)
        assert main(["check", "--config", str(file)]) == status, "without --matrix as well"
        capsys.readouterr()


@pytest.mark.parametrize(("text", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_would_hold_nothing_is_not_even_read(text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (file := tmp_path / "pointsman.yaml").write_text("version: 1\n" + text)
    assert main(["check", "--matrix", "--config", str(file)]) == 2
    assert said in capsys.readouterr().err


def test_there_are_at_least_twenty_and_no_two_are_alike():
    assert len({planted.name for planted in HOLES}) == len({planted.hole for planted in HOLES}) == len(HOLES) >= 20
