"""A model and how it is compiled, as one thing to hand on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pymc as pm

from ..differences import Differences
from .data import OtherData

__all__ = ["Compilation", "opened"]


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
        self.model, self.compile_kwargs, self.data = model, dict(compile_kwargs or {}), data
        self.differences = differences


def opened(model: Any, compile_kwargs: Mapping[str, Any] | None) -> Compilation:
    """A model, a compilation, or None for the model of the context, as a compilation.

    Raises
    ------
    TypeError
        When a compilation is given together with arguments of the compiler.
    """
    if not isinstance(model, Compilation):
        return Compilation(pm.modelcontext(model), compile_kwargs)
    if compile_kwargs is not None:
        raise TypeError("compile_kwargs: the model is compiled already; give them to ps.compile(model, ...)")
    return model
