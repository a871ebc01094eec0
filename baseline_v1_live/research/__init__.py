"""Replay of a day and its report."""
