"""The recognisers that ship: one file for each kind of data."""

from __future__ import annotations

from pointsman.signals.sensitivity.known.financial import FINANCIAL
from pointsman.signals.sensitivity.known.health import HEALTH
from pointsman.signals.sensitivity.known.national import NATIONAL
from pointsman.signals.sensitivity.known.personal import PERSONAL
from pointsman.signals.sensitivity.known.secrets import SECRETS

KNOWN_RECOGNISERS = (*PERSONAL, *NATIONAL, *FINANCIAL, *HEALTH, *SECRETS)
"""All of them, by kind."""
