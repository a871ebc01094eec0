"""PURE: bars, swings, strike selection and exit policy. No I/O, clock, randomness or settings."""
