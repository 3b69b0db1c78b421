"""A model and how it is compiled, as one thing to hand on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pymc as pm
from pytensor.compile.mode import get_mode

from ..differences import Differences
from .data import OtherData

__all__ = ["Compilation", "checked_options", "model_of", "opened"]


class Compilation:
    """A model, arguments of PyTensor's compiler, and data that it has in runs of this alone.

    Parameters
    ----------
    model : pymc.Model
    compile_kwargs : dict, optional
    data : OtherData, optional
    differences : Differences, optional
        By which gradients are taken, where runs do not say otherwise.
    """

    def __init__(
        self,
        model: pm.Model,
        compile_kwargs: Mapping[str, Any] | None = None,
        data: OtherData | None = None,
        differences: Differences | None = None,
    ) -> None:
        self.model, self.compile_kwargs, self.data = model, checked_options(compile_kwargs), data
        self.differences = differences


def checked_options(compile_kwargs: Any) -> dict[str, Any]:
    """A copy of arguments of PyTensor's compiler, none if it is None.

    Raises
    ------
    TypeError, ValueError
        When it is no dictionary, or its mode is none of PyTensor's.
    """
    if compile_kwargs is None:
        return {}
    if not isinstance(compile_kwargs, Mapping):
        raise TypeError(f'compile_kwargs must be a dictionary, such as {{"mode": "JAX"}}, got {compile_kwargs!r}')
    try:
        get_mode(compile_kwargs.get("mode"))
    except Exception as error:
        raise ValueError(
            f"compile_kwargs: mode must be one of PyTensor's, or left out, got {compile_kwargs['mode']!r} ({error})"
        ) from error
    return dict(compile_kwargs)


def model_of(model: Any) -> pm.Model:
    """A model, or that of the context if it is None.

    Raises
    ------
    TypeError
        When it is no model, or there is none.
    """
    if isinstance(model, Compilation):
        raise TypeError("model: this one is compiled, and a plain model is needed here; its attribute `model` is that")
    if not isinstance(model, pm.Model | None):
        raise TypeError(f"model must be a pymc.Model, got {model!r}")
    return pm.modelcontext(model)


def opened(model: Any, compile_kwargs: Mapping[str, Any] | None) -> Compilation:
    """A model, a compilation, or None for the model of the context, as a compilation.

    Raises
    ------
    TypeError, ValueError
        When a compilation is given together with arguments of the compiler, or these are not what they must be.
    """
    if not isinstance(model, Compilation):
        return Compilation(model_of(model), compile_kwargs)
    if compile_kwargs is not None:
        raise TypeError("compile_kwargs: the model is compiled already; give them to ps.compile(model, ...)")
    return model
