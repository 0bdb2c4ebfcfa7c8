"""Signals: what routing may look at, found in the request's text without asking any model."""
