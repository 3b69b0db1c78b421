"""From a PyMC model to a log-density that kernels can call: the only room that knows how PyTensor compiles."""

from ..native.pytensor import user_code
from .compilation import Compilation, checked_options, model_of, opened
from .data import OtherData, SeenData, run_with
from .density import LogDensity
from .given import GivenStart
from .kept import kept, kept_log_density
from .parametrization import check_parametrization
from .sharing import curable
from .unconstrained import unconstraining
from .values import Values, values_function
from .variables import value_variables

__all__ = [
    "Compilation",
    "GivenStart",
    "LogDensity",
    "OtherData",
    "SeenData",
    "Values",
    "check_parametrization",
    "checked_options",
    "curable",
    "kept",
    "kept_log_density",
    "model_of",
    "opened",
    "run_with",
    "unconstraining",
    "user_code",
    "value_variables",
    "values_function",
]
