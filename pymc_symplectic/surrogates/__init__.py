"""Cheap stand-ins for a log-density, learned from its values and gradients."""

from .density import LearnedDensity
from .features import Features
from .fit import Fitted, fit

__all__ = ["Features", "Fitted", "LearnedDensity", "fit"]
