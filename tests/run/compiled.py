"""Models that are compiled once for all the tests that run them: each call of `ps.sample` would compile them anew."""

from functools import cache

import pytest

from pymc_symplectic import starts
from pymc_symplectic.recorded import RecordedVariables
from pymc_symplectic.run import sample as sampling
from pymc_symplectic.run import task
from pymc_symplectic.target import LogDensity

_targets = {}
"""Log-densities of models, by the ids of these, which they keep alive."""


def compile_once(model, target=None):
    """Let all runs of a model in this process share what is compiled of it, or this log-density; returns the model."""
    _targets[id(model)] = target or LogDensity(model=model)
    return model


def _log_density(*, model, compile_kwargs=None):
    if compile_kwargs or id(model) not in _targets:
        return LogDensity(model=model, compile_kwargs=compile_kwargs)
    return _targets[id(model)]


def _recorded_variables(target, names):
    if _targets.get(id(target.model)) is not target:
        return RecordedVariables(target, names)
    return _shared_variables(target, None if names is None else tuple(names))


_shared_variables = cache(RecordedVariables)


@pytest.fixture(scope="module", autouse=True)
def sharing():
    """`ps.sample` and `ps.initial_points` as they are, but for models that are to be compiled once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(starts, "LogDensity", _log_density)
        patch.setattr(sampling, "LogDensity", _log_density)
        patch.setattr(task, "RecordedVariables", _recorded_variables)
        yield
