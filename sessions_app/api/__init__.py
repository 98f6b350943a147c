"""The HTTP door to sessions, executions and their history."""
