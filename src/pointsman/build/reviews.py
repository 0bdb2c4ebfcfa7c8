"""The desk where requests wait for people, from a configuration."""

from __future__ import annotations

from pointsman.config.schema import Config
from pointsman.errors import ConfigError
from pointsman.gateway.reviews import Desk
from pointsman.stores.content_keys import ContentKeys
from pointsman.stores.sqlite import SqliteLog
from pointsman.stores.sqlite_reviews import SqliteReviews
from pointsman.upstream.webhook import Webhook, Webhooks

_DAY_S = 86_400.0


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
    found: dict[str, Webhook] = {}
    for name, route in config.routes.items():
        if (said := route.review.webhook) is not None:
            found[name] = Webhook(said.url, said.secret)
            try:
                sender.check(found[name])
            except ConfigError as error:
                raise ConfigError(f"routes.{name}.review.webhook: {error}") from error
    return found
