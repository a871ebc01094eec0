"""The gateway's language, both ways, as pure functions: no I/O, no clock, no waiting."""
