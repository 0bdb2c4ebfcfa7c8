"""Sensitivity: which kinds of sensitive data a request's text holds, and how to keep them from a model. Offline, in linear time."""
