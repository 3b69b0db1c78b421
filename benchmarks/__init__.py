"""Measurements of this package's samplers, and of others' beside them: ``python -m benchmarks`` lists the studies."""
