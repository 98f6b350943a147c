"""The kernel host: one warmed process from which Python kernels are forked. Knows no Django."""
