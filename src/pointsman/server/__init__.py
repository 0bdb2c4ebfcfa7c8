"""The gateway over HTTP: a plain ASGI application."""
