"""Whose words a request holds."""

from __future__ import annotations

from collections.abc import Mapping


def subject_of(key: str, body: Mapping[str, object]) -> str:
    """The end user as the client names it (`safety_identifier`, `user` or `metadata.user_id`) behind its gateway key, or the key alone.

    >>> subject_of("k3v7", {"user": "ada"}), subject_of("k3v7", {"metadata": {"user_id": "bea"}}), subject_of("k3v7", {"user": None})
    ('k3v7/ada', 'k3v7/bea', 'k3v7')
    """
    metadata = body.get("metadata")
    named = (body.get("safety_identifier"), body.get("user"), metadata.get("user_id") if isinstance(metadata, Mapping) else None)
    user = next((name for name in named if isinstance(name, str) and name), None)
    return key if user is None else f"{key}/{user}"
