"""Everything that sends code to a kernel: sessions, executions, their history, the doors they come by."""
