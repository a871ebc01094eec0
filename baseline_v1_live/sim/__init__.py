"""The built-in exchange, recorded and generated days."""
