"""The built-in exchange behind OpenAlgo's REST and WebSocket contract, on loopback sockets."""
