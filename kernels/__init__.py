"""The life of kernels: start, talk to, interrupt, restart, destroy, and know about them."""
