"""The page about keys says what the tables of the admin API say."""

from __future__ import annotations

import re
from pathlib import Path

from pointsman.core.role import GRANTS, ROLES
from pointsman.server.admin_endpoints import ENDPOINTS, PREFIX
from pointsman.server.admin_fields import KEY

PAGE = (Path(__file__).parents[2] / "docs" / "keys.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("| `")]


def who(roles: frozenset[str]) -> str:
    named = [role for role in ROLES if role in roles]
    return "everybody" if len(named) == len(ROLES) else ", ".join(named) or "nobody"


def test_every_endpoint_has_its_row():
    wanted = [[f"`{endpoint.method} {PREFIX}{endpoint.path}`", who(endpoint.roles), endpoint.purpose] for endpoint in ENDPOINTS]
    assert rows("Admin API") == wanted


def test_every_field_of_a_key_has_its_row():
    wanted = [[f"`{name}`", who(field.create), who(field.change), who(field.read)] for name, field in KEY.items()]
    assert [row[:4] for row in rows("Fields of a key")] == wanted


def test_every_role_has_its_row():
    said = {row[0].strip("`"): row[2] for row in rows("Roles")}
    assert list(said) == list(ROLES)
    for role, grants in said.items():
        granted = set(ROLES) if grants == "every role" else set(re.findall(r"`(\w+)`", grants))
        assert granted == GRANTS.get(role, frozenset())
