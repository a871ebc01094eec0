"""The shell around the core: ports, clocks and drivers."""
