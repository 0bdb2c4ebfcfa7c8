"""The way out: the one egress client, and the transports behind it."""
