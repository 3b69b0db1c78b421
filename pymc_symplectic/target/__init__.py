"""From a PyMC model to a log-density that kernels can call: the only room that knows how PyTensor compiles."""

from .compiled import user_code
from .density import LogDensity
from .values import values_function
from .variables import value_variables

__all__ = ["LogDensity", "user_code", "value_variables", "values_function"]
