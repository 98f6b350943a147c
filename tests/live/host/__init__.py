"""Tests of kernels as their users meet them: what a notebook can do, alone and among siblings."""
