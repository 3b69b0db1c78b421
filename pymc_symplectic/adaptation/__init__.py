"""Warm-up: windows, plans, measurements, and the choice of integrator and trajectory."""
