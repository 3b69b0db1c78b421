"""Compiled code only: NumPy and numba, nothing of PyMC."""
