"""The tables of the log's file, a step a version."""

from __future__ import annotations

from pointsman.stores.keys_schema import OF_TENANCY, TENANCY

#: One entry a schema version (`PRAGMA user_version`), never edited once released: a change is a further entry.
MIGRATIONS = (
    """
    CREATE TABLE log(
        seq INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        decision TEXT NOT NULL,
        at_ns INTEGER NOT NULL,
        body BLOB NOT NULL,
        prev BLOB NOT NULL,
        hash BLOB NOT NULL
    ) STRICT;
    CREATE INDEX log_decision ON log(decision);
    CREATE TRIGGER log_no_update BEFORE UPDATE ON log BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
    CREATE TRIGGER log_no_delete BEFORE DELETE ON log BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
    -- REPLACE deletes without firing the trigger above; a fork would continue a record that is not the last.
    CREATE TRIGGER log_no_fork BEFORE INSERT ON log
        WHEN EXISTS (SELECT 1 FROM log WHERE seq = NEW.seq)
          OR (NEW.seq != 1 AND NEW.prev IS NOT (SELECT hash FROM log WHERE seq = NEW.seq - 1))
        BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
    CREATE TABLE snapshots(id TEXT PRIMARY KEY, body BLOB NOT NULL, at_ns INTEGER NOT NULL) STRICT;
    CREATE TABLE keys(
        id TEXT PRIMARY KEY,
        hash BLOB NOT NULL,
        name TEXT NOT NULL,
        team TEXT NOT NULL,
        routes TEXT,
        models TEXT,
        labels TEXT NOT NULL,
        created_at_ns INTEGER NOT NULL,
        expires_at_ns INTEGER,
        revoked_at_ns INTEGER
    ) STRICT;
    """,
    """
    CREATE TABLE answers(
        id BLOB PRIMARY KEY,
        request BLOB NOT NULL,
        owner INTEGER,  -- the process that is at it, until there is an answer
        until_ns INTEGER NOT NULL,  -- end of its lease; of an answer, of the time it is kept
        status INTEGER,
        headers TEXT,
        body BLOB
    ) STRICT;
    CREATE INDEX answers_until ON answers(until_ns);
    """,
    TENANCY,
    """
    -- Files of before have these: they were made by whoever needed them first.
    -- A row a lease; the one without a name stands for all that were closed.
    CREATE TABLE IF NOT EXISTS budgets(
        budget TEXT NOT NULL,
        span TEXT NOT NULL,
        subject TEXT NOT NULL,
        slot INTEGER NOT NULL,
        lease TEXT NOT NULL,
        granted INTEGER NOT NULL,
        spent INTEGER NOT NULL,
        until_ms INTEGER NOT NULL,
        ends_ms INTEGER NOT NULL,
        PRIMARY KEY (budget, span, subject, slot, lease)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS budgets_ends ON budgets(ends_ms);
    CREATE INDEX IF NOT EXISTS budgets_until ON budgets(until_ms) WHERE lease != '';
    CREATE TABLE IF NOT EXISTS reviews(
        id TEXT PRIMARY KEY,
        org TEXT NOT NULL,
        team TEXT NOT NULL,
        route TEXT NOT NULL,
        why TEXT NOT NULL,
        labels TEXT NOT NULL,
        state TEXT NOT NULL,
        assignee TEXT NOT NULL,
        urgency INTEGER NOT NULL,  -- the lower, the sooner
        created_at_ns INTEGER NOT NULL,
        deadline_at_ns INTEGER NOT NULL,
        version INTEGER NOT NULL,
        ticket TEXT NOT NULL,  -- all that is known of it without words of it
        contents BLOB NOT NULL,  -- sealed
        resolution BLOB  -- sealed
    ) STRICT;
    CREATE INDEX IF NOT EXISTS reviews_queue ON reviews(urgency, deadline_at_ns, id) WHERE state IN ('open', 'claimed');
    CREATE INDEX IF NOT EXISTS reviews_all ON reviews(urgency, deadline_at_ns, id);
    CREATE INDEX IF NOT EXISTS reviews_due ON reviews(deadline_at_ns) WHERE state IN ('open', 'claimed');
    CREATE INDEX IF NOT EXISTS reviews_age ON reviews(created_at_ns);
    CREATE TABLE IF NOT EXISTS review_asked(
        mark TEXT PRIMARY KEY,  -- of who asked what, with a content key of theirs
        review TEXT NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS review_asked_by ON review_asked(review);
    CREATE TABLE IF NOT EXISTS review_messages(
        id TEXT PRIMARY KEY,
        ticket TEXT NOT NULL,
        decision TEXT NOT NULL,
        route TEXT NOT NULL,
        event TEXT NOT NULL,
        at_ns INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        due_at_ns INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX IF NOT EXISTS review_messages_due ON review_messages(due_at_ns);
    """,
    """
    CREATE TABLE responses(
        id BLOB PRIMARY KEY,
        key TEXT NOT NULL,  -- whose it is: the id of a gateway key
        until_ns INTEGER NOT NULL,
        bytes INTEGER NOT NULL,  -- of the body
        body BLOB NOT NULL  -- sealed
    ) STRICT;
    CREATE INDEX responses_until ON responses(until_ns);
    CREATE INDEX responses_key ON responses(key, until_ns);
    CREATE TABLE responses_held(key TEXT PRIMARY KEY, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TRIGGER responses_kept AFTER INSERT ON responses BEGIN
        INSERT INTO responses_held(key, bytes) VALUES (NEW.key, NEW.bytes) ON CONFLICT(key) DO UPDATE SET bytes = bytes + excluded.bytes;
    END;
    CREATE TRIGGER responses_gone AFTER DELETE ON responses BEGIN
        UPDATE responses_held SET bytes = bytes - OLD.bytes WHERE key = OLD.key;
    END;
    """,
    f"""
    DROP INDEX log_tenancy;
    CREATE INDEX log_tenancy ON log(seq) WHERE {OF_TENANCY};
    """,
)
