"""The desk where requests wait for people, from a configuration."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import replace

from pointsman.config.schema import Config
from pointsman.errors import ConfigError
from pointsman.gateway.reviews import Desk
from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_reviews import SqliteReviews
from pointsman.upstream.webhook import Webhook, Webhooks

_DAY_S = 86_400.0
_UNSET = "unset"  # what a secret reads as where its variable need not be set
_SOUND = f"whsec_{base64.b64encode(bytes(24)).decode()}"


def reviews_of(config: Config, log: SqliteLog, keys: ContentKeys) -> Desk:
    """A desk over the log's file; `keys` seal what tickets say."""
    desk = Desk(SqliteReviews(log, keys))
    adopt(desk, config)
    return desk


def adopt(desk: Desk, config: Config) -> None:
    """Put another configuration in force. Raises `ConfigError` for a webhook that nothing could be sent to, and then changes nothing."""
    said = config.reviews
    sender = Webhooks(said.hosts, private=said.private)
    desk.webhooks, desk.sender = webhooks_of(config, sender), sender
    desk.keep_s = None if said.keep_days is None else said.keep_days * _DAY_S


def webhooks_of(config: Config, sender: Webhooks) -> dict[str, Webhook]:
    """The webhooks of routes. Raises `ConfigError` for one that nothing could be sent to."""
    found = _named(config)
    for wrong in _wrong(found, sender):
        raise ConfigError(wrong)
    return found


def webhooks_wrong(config: Config) -> list[str]:
    """The webhooks that nothing could be sent to, and why. A secret that is not set where this is asked is taken for a sound one."""
    known = {name: replace(hook, secret=_SOUND) if hook.secret == _UNSET else hook for name, hook in _named(config).items()}
    return list(_wrong(known, Webhooks(config.reviews.hosts, private=config.reviews.private)))


def _named(config: Config) -> dict[str, Webhook]:
    said = {name: route.review.webhook for name, route in config.routes.items()}
    return {name: Webhook(hook.url, hook.secret) for name, hook in said.items() if hook is not None}


def _wrong(hooks: Mapping[str, Webhook], sender: Webhooks) -> Iterator[str]:
    for name, hook in hooks.items():
        try:
            sender.check(hook)
        except ConfigError as error:
            yield f"routes.{name}.review.webhook: {error}"
