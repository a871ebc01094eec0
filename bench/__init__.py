"""Measurements of speed, over real sockets on loopback and always as ratios within one run."""
