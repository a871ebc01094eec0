"""OpenAlgo: orders, books, prices and order updates of the gateway, over HTTP and WebSocket."""
