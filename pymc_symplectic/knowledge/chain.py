"""What one chain has learned."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from ..kernels.adapt import LOG_MEAN_STEP
from ..kernels.linear import LinearMap, map_of
from ..surrogates import LearnedDensity

__all__ = ["LearnedChain", "plain"]

_FOUND = 7  # entries: integrator, step size, efficiency, time, jitter, acceptance, repeats
_PAST = ("history", "floor")  # what was measured on the way


@dataclass(frozen=True, eq=False)
class LearnedChain:
    """What one chain has learned, and where it has come to.

    Attributes
    ----------
    position : ndarray of shape (d,)
        Its last draw, unconstrained, in the order of `Learned.labels`.
    metric : DiagonalMap, DenseMap or LowRankMap
        The linear map L, with M⁻¹ = L Lᵀ; in the coordinates of `weights`.
    mean : ndarray of shape (d,) or None
        Of the Gaussian that was fitted with it; None where nothing asked for one.
    step_size : float
    kinetic : ndarray
        Parameters of the kinetic energy, as kernels take them.
    weights : ndarray of shape (d,) or None
        How far each coordinate is centered: 1 altogether, 0 not at all.  None where all are those of the model.
    choice : dict
        Integrator, trajectory, momenta and metric in words and numbers, as in the attribute ``sampler`` of a result.
    state : dict
        What warm-up goes on from: the states of its tuner, and of its trials of kinetic energies and of a surrogate.
    density : ndarray or None
        Parameters of the surrogate of the log-density that it drew by, as `LearnedDensity` has them; None without one.
    """

    position: np.ndarray
    metric: LinearMap
    mean: np.ndarray | None
    step_size: float
    kinetic: np.ndarray
    weights: np.ndarray | None
    choice: Mapping[str, Any]
    state: Mapping[str, Any]
    density: np.ndarray | None = None

    @classmethod
    def of(cls, snapshot: Mapping[str, Any]) -> Self:
        """Of the state of a chain, as `Chain.snapshot` makes it."""
        coordinates, mean = snapshot["coordinates"], snapshot["mean"]
        return cls(
            position=np.array(snapshot["position"]),
            metric=map_of({name: np.array(array) for name, array in snapshot["metric"].items()}),
            mean=None if mean is None else np.array(mean),
            step_size=float(np.exp(snapshot["learning"]["step"][LOG_MEAN_STEP])),
            kinetic=np.array(snapshot["kinetic"]),
            weights=None if coordinates is None else np.array(coordinates["weights"][:-1]),
            choice=plain({name: value for name, value in snapshot["choice"].items() if name not in _PAST}),
            state=plain({name: snapshot[name] for name in ("tuner", "energy", "surrogate")}),
            density=None if snapshot["density"] is None else np.array(snapshot["density"]),
        )

    def snapshot(self) -> dict[str, Any]:
        """All of it, as arrays, numbers and texts."""
        return {**{part.name: getattr(self, part.name) for part in fields(self)}, "metric": self.metric._asdict()}

    @classmethod
    def restored(cls, snapshot: Mapping[str, Any]) -> Self:
        """The one that `snapshot` describes."""
        return cls(**{**snapshot, "metric": map_of(dict(snapshot["metric"]))})

    @property
    def integrator(self) -> str:
        """Its name."""
        return str(self.choice["integrator"])

    @property
    def trajectory(self) -> str:
        """Its name, and the time of travel where that is fixed."""
        time, repeats = self.choice.get("time"), self.choice.get("repeats", 1)
        words = str(self.choice["trajectory"]) + ("" if time is None else f" of {time:.2f}")
        return words + (f", {repeats} to a draw" if repeats > 1 else "")

    @property
    def momenta(self) -> str:
        """The name of the kinetic energy, where one was to be learned; otherwise it is the one that was asked for."""
        return str(self.choice.get("energy", ""))

    @property
    def surrogate(self) -> LearnedDensity | None:
        """The log-density that its trajectories ran on; None where they ran on that of the model.

        It is of the coordinates that the chain moves in, which are the unconstrained ones of the model but for
        `weights`, and of what was sampled, at the run's temperature.
        """
        return None if self.density is None else LearnedDensity.of_params(self.density)

    @property
    def scale(self) -> np.ndarray:
        """The standard deviation (d,) of each coordinate, by the metric."""
        return np.sqrt(self.metric.variance(self.position.size))

    def check(self, dim: int) -> None:
        """Raise a ValueError unless a chain of `dim` coordinates can have learned this."""
        arrays = {"position": self.position, "mean": self.mean, "weights": self.weights}
        for name, array in arrays.items():
            if array is None and name != "position":
                continue
            if not isinstance(array, np.ndarray) or array.shape != (dim,) or array.dtype != float:
                raise ValueError(f"its {name} must be {dim} numbers, and is {_kind(array)}")
            if not np.all(np.isfinite(array)):
                raise ValueError(f"its {name} is not finite")
        if self.weights is not None and not np.all((self.weights >= 0) & (self.weights <= 1)):
            raise ValueError("its weights are not between 0 and 1")
        if not (isinstance(self.step_size, float) and 0 < self.step_size < np.inf):
            raise ValueError(f"its step size must be positive and finite, and is {self.step_size!r}")
        if not isinstance(self.kinetic, np.ndarray) or self.kinetic.dtype != float or self.kinetic.ndim != 1:
            raise ValueError(f"the parameters of its kinetic energy are {_kind(self.kinetic)}")
        if self.density is not None and LearnedDensity.of_params(self.density).dim != dim:
            raise ValueError(f"its surrogate must be of {dim} parameters")
        self.metric.check(dim)
        if not all(isinstance(self.choice.get(name), str) for name in ("integrator", "trajectory")):
            raise ValueError("it does not say by which integrator and trajectory it drew")
        if not ("energy" in self.state and "found" in self.state.get("tuner", {})):
            raise ValueError("it does not say what a warm-up goes on from")
        found = self.state["tuner"]["found"]
        if found is not None and not (
            len(found) == _FOUND and isinstance(found[0], str) and np.all(np.isfinite(np.array(found[1:], dtype=float)))
        ):
            raise ValueError(f"its tuner has found {found}")
        if found is not None and not (found[1] > 0 and found[3] > 0):
            raise ValueError(f"its tuner has found a path of time {found[3]} by steps of {found[1]}")


def plain(value: Any) -> Any:
    """The same of numbers, texts, lists and dictionaries alone, as JSON has them."""

    def of_numpy(one: Any) -> Any:
        return one.item() if isinstance(one, np.generic) else one.tolist()

    return json.loads(json.dumps(value, default=of_numpy))


def _kind(array: Any) -> str:
    return f"{array.dtype}{array.shape}" if isinstance(array, np.ndarray) else repr(array)[:60]
