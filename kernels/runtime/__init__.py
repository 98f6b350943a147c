"""Talking to one live kernel, without Django: wire, connection, execution, state machine."""
