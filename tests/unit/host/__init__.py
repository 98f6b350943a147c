"""Tests of the kernel host: real hosts and real processes, spoken to over real sockets."""
