"""Whose words a request holds: the end user whom the client names, behind its gateway key."""

from __future__ import annotations

from collections.abc import Mapping


def subject_of(key: str, body: Mapping[str, object]) -> str:
    """The end user as the client names it (`safety_identifier`, `user` or `metadata.user_id`) behind its gateway key, or the key alone.

    >>> subject_of("k3v7", {"user": "ada"}), subject_of("k3v7", {"metadata": {"user_id": "bea"}}), subject_of("k3v7", {"user": None})
    ('k3v7/ada', 'k3v7/bea', 'k3v7')
    """
    field, user = _named(body)
    return f"{key}/{user}" if field else key


def inherited(body: Mapping[str, object], before: Mapping[str, object]) -> dict[str, object]:
    """The body with the end user of `before` where it names none itself, in the field that named it there.

    >>> inherited({"input": "so?"}, {"input": "hi", "user": "ada"}), inherited({"user": "bea"}, {"user": "ada"})
    ({'input': 'so?', 'user': 'ada'}, {'user': 'bea'})
    """
    field, user = _named(before)
    if not field or _named(body)[0]:
        return dict(body)
    if field != "metadata":
        return {**body, field: user}
    metadata = body.get("metadata")
    return {**body, "metadata": {**(metadata if isinstance(metadata, Mapping) else {}), "user_id": user}}


def naming(body: Mapping[str, object]) -> dict[str, object]:
    """That of a body which names its end user.

    >>> naming({"input": "hi", "user": "ada"}), naming({"input": "hi"})
    ({'user': 'ada'}, {})
    """
    return inherited({}, body)


def _named(body: Mapping[str, object]) -> tuple[str, str]:
    """The field that names the end user, and the name; both empty where none does."""
    metadata = body.get("metadata")
    names = (
        ("safety_identifier", body.get("safety_identifier")),
        ("user", body.get("user")),
        ("metadata", metadata.get("user_id") if isinstance(metadata, Mapping) else None),
    )
    return next(((field, name) for field, name in names if isinstance(name, str) and name), ("", ""))
