"""The admin API: its table, what its refusals are about, and which names rights may use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pointsman.core.request import Caller
from pointsman.core.snapshot import Snapshot
from pointsman.server.admin_endpoints import ENDPOINTS, PREFIX
from pointsman.server.administration import Administration
from pointsman.server.known_names import KnownNames
from pointsman.server.tables import Endpoint, Table, Who
from pointsman.stores.sqlite_keys import Kind, SqliteKeys


class Admin(Table[Administration]):
    """Answers requests under `PREFIX`. `snapshot` says what there is to be named now."""

    def __init__(self, keys: SqliteKeys, who: Who, snapshot: Callable[[], Snapshot]) -> None:
        super().__init__(PREFIX, ENDPOINTS, Administration(keys), keys, who)
        self._snapshot = snapshot

    def _require_known(self, values: Mapping[str, Any], caller: Caller) -> None:
        KnownNames.of(self._snapshot(), caller).require(values)

    def _told(self, endpoint: Endpoint[Administration]) -> tuple[Kind, str]:
        kind: Kind = "key" if not endpoint.path.startswith("orgs") else "team" if "teams" in endpoint.path else "org"
        return kind, f"{endpoint.method} {endpoint.path}"
