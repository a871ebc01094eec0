"""PURE: events in, commands out. No I/O, clock, randomness, asyncio or settings."""
