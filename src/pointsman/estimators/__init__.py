"""Estimators: what each candidate is expected to give for a request. Fitted off the hot path, read through the snapshot."""
