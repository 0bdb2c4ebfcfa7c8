"""Checks of answers: pure functions that look at an answer and what was asked, and say how far it is fit."""

from pointsman.plans.checks.asked import Asked, Offered, asked_of
from pointsman.plans.checks.fitness import unfit
from pointsman.plans.checks.own import Check
from pointsman.plans.checks.table import CHECKS, COMPARED, grades

__all__ = ["CHECKS", "COMPARED", "Asked", "Check", "Offered", "asked_of", "grades", "unfit"]
