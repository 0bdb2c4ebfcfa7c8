"""Evaluation: recorded outcomes, metrics, baselines and reports."""
