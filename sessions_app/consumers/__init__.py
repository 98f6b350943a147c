"""The WebSocket door to sessions."""
