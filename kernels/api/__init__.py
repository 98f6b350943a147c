"""The HTTP door to kernels."""
