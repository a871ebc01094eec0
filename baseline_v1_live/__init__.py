"""Baseline V1: sells NIFTY weekly options intraday and keeps every short covered."""

__version__ = "0.1.0"
