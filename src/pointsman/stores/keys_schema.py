"""The tables of orgs, teams and keys, as a step of the file's migrations.

Triggers number every change, whoever makes it: by `tenancy.generation` other processes see that there is one, by `changed` which. Rows are
never deleted: an id that could come back could be taken for its earlier owner, and a row that goes leaves nothing to be noticed.
"""

from __future__ import annotations

OF_TENANCY = "(kind = 'key' OR kind = 'team' OR kind = 'org')"
"""Records of the log that tell of keys, teams and orgs; as in the index for them, which is of use to no other wording.

Not `kind IN (...)`: for that SQLite makes a table in memory with every record that is written.
"""

_RIGHTS = """
        routes TEXT,
        models TEXT,
        labels TEXT NOT NULL,
        allowed_labels TEXT,
        requests_per_minute INTEGER,
        tokens_per_minute INTEGER,
        metadata TEXT NOT NULL,
        name TEXT NOT NULL,
        created_at_ns INTEGER NOT NULL,
        created_by TEXT NOT NULL,
        closed_at_ns INTEGER,
        changed INTEGER NOT NULL DEFAULT 0
"""


def _triggers(table: str) -> str:
    bump = "UPDATE tenancy SET generation = generation + 1;"
    number = f"UPDATE {table} SET changed = (SELECT generation FROM tenancy) WHERE rowid = NEW.rowid;"  # noqa: S608  names of ours
    return f"""
    CREATE TRIGGER {table}_inserted AFTER INSERT ON {table} BEGIN {bump} {number} END;
    CREATE TRIGGER {table}_updated AFTER UPDATE ON {table} WHEN NEW.changed = OLD.changed BEGIN {bump} {number} END;
    CREATE TRIGGER {table}_kept BEFORE DELETE ON {table} BEGIN SELECT RAISE(ABORT, '{table} are never deleted'); END;
    CREATE INDEX {table}_changed ON {table}(changed);
    """


TENANCY = f"""
    CREATE TABLE tenancy(generation INTEGER NOT NULL) STRICT;
    INSERT INTO tenancy VALUES (0);
    CREATE TABLE orgs(id TEXT PRIMARY KEY, {_RIGHTS}) STRICT;
    CREATE TABLE teams(org TEXT NOT NULL, id TEXT NOT NULL, {_RIGHTS}, PRIMARY KEY (org, id)) STRICT;
    ALTER TABLE keys ADD COLUMN org TEXT NOT NULL DEFAULT '';
    ALTER TABLE keys ADD COLUMN role TEXT NOT NULL DEFAULT 'caller';
    ALTER TABLE keys ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
    ALTER TABLE keys ADD COLUMN allowed_labels TEXT;
    ALTER TABLE keys ADD COLUMN requests_per_minute INTEGER;
    ALTER TABLE keys ADD COLUMN tokens_per_minute INTEGER;
    ALTER TABLE keys ADD COLUMN metadata TEXT NOT NULL DEFAULT '{{}}';
    ALTER TABLE keys ADD COLUMN old_hash BLOB;
    ALTER TABLE keys ADD COLUMN old_until_ns INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE keys ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
    -- Before there were orgs, a team was a name on a key.
    INSERT INTO orgs(id, labels, metadata, name, created_at_ns, created_by)
        SELECT 'default', '[]', '{{}}', 'default', min(created_at_ns), '' FROM keys WHERE team != '' HAVING count(*) > 0;
    INSERT INTO teams(org, id, labels, metadata, name, created_at_ns, created_by)
        SELECT 'default', team, '[]', '{{}}', team, min(created_at_ns), '' FROM keys WHERE team != '' GROUP BY team;
    UPDATE keys SET org = 'default' WHERE team != '';
    {_triggers("orgs")}{_triggers("teams")}{_triggers("keys")}
    CREATE INDEX keys_age ON keys(created_at_ns, id);
    CREATE INDEX keys_org ON keys(org, created_at_ns, id);
    CREATE INDEX log_tenancy ON log(seq) WHERE kind IN ('key', 'team', 'org');
    """  # noqa: S608  constants
"""Its first triggers number nothing that was there before: a process begins with all of it."""
