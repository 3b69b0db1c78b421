"""What a chain moves in, and its way to and from the unconstrained vector of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from .adaptation.centering import Placed, at_rest, better_weights, evidence
from .kernels.state import Target
from .settings import Settings
from .target import LogDensity
from .window import Window

__all__ = ["Coordinates"]

_LARGEST_EFFECT = 4.5  # nats of a standardised one: of a heavy tail, more would say nothing


class Coordinates:
    """The coordinates y of one chain: those of the model, or partly non-centered ones, with weights of their own.

    Parameters
    ----------
    log_density : LogDensity
    settings : Settings
    learns : bool
        Whether warm-up has points to learn weights by.  Where it has none, ``"auto"`` is ``"model"``.

    Attributes
    ----------
    target : Target
        The log-density of y, for compiled code.
    weights : ndarray (d + 1,), or None
        Those of the parametrization, as `Parametrization` has them; None where y is the model's own vector.
    """

    def __init__(self, log_density: LogDensity, settings: Settings, learns: bool) -> None:
        self._of, self._policy = log_density, settings.policy
        self.weights: np.ndarray | None = None
        self.target = log_density.target
        self._left = 0  # changes of the weights that may still be made
        self._rich: list[str] | None = None  # variables of which data say much; None until that has been asked
        automatic, known = settings.parametrization == "auto", settings.learned
        if log_density.parametrization is None or not settings.reparametrizes:
            return
        if known.chains[0].weights is None if known is not None else automatic and not learns:
            return
        self._parametrization = log_density.parametrization
        self.weights = self._parametrization.weights_of(settings.parametrization, settings.temperature)
        self.target = log_density.target_by(self.weights)
        if automatic:
            self._left = self._policy.centering_changes

    def take(self, weights: np.ndarray | None) -> None:
        """Move by these weights (d,), which another run has learned."""
        if self.weights is not None and weights is not None:
            self.weights[:-1] = weights

    @property
    def values(self) -> Target:
        """The log-density of y without its gradient, compiled when it is first asked for."""
        return self._of.values if self.weights is None else self._of.values_by(self.weights)

    @property
    def learns(self) -> bool:
        """Whether other weights may be chosen."""
        return self._left > 0

    def inward(self, position: np.ndarray) -> np.ndarray:
        """The coordinates (d,) of an unconstrained vector (d,) of the model."""
        if self.weights is None:
            return position
        location, log_scale = self._of.place(position)
        weights, as_written = self.weights[:-1], self._parametrization.as_written
        with np.errstate(over="ignore", invalid="ignore"):
            centered = (position - as_written * location) * np.exp((weights - as_written) * log_scale)
        return np.where(weights == as_written, position, centered + weights * location)

    def outward(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Unconstrained vectors of the model (n, d) by their coordinates, and logarithms of the Jacobian (n,).

        Where coordinates are not numbers, neither are these.
        """
        if self.weights is None:
            return positions, np.zeros(len(positions))
        found, log_jacobian = np.full_like(positions, np.nan), np.full(len(positions), np.nan)
        known = np.isfinite(positions).all(axis=1)
        found[known], _, _, log_jacobian[known] = self._outward(positions[known])
        return found, log_jacobian

    def _outward(self, coordinates: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Vectors of the model (n, d), locations and logarithms of scales there, and logarithms of Jacobians (n,)."""
        assert self.weights is not None
        weights, as_written, positions = self.weights[:-1], self._parametrization.as_written, coordinates
        location, log_scale = np.empty_like(coordinates), np.empty_like(coordinates)
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(self._parametrization.sweeps):  # after each, more elements are where they are in the model
                for i, position in enumerate(positions):
                    location[i], log_scale[i] = self._of.place(position)
                power = np.where(weights == as_written, 0.0, (as_written - weights) * log_scale)
                stretch = np.exp(power)
                positions = coordinates * stretch + location * (as_written - weights * stretch)
        return positions, location, log_scale, power.sum(axis=1)

    def learn(self, points: Window, density: Callable[[np.ndarray], float]) -> bool:
        """Choose weights by points in these coordinates, the oldest first; returns whether they are other ones.

        Parameters
        ----------
        points : Window
        density : callable
            What is sampled, at some coordinates (d,).
        """
        policy = self._policy
        if self.weights is None or not self.learns or len(points.draws) < policy.centering_points:
            return False
        if not at_rest(points.log_density, len(self.weights) - 1, policy.centering_rise):
            return False  # on the way, effects make up for what other variables have not come to yet
        placed = self._placed(points)
        if self._rich is None:
            ratios = {
                name: self._evidence(name, one, points, density)[0] for name, one in placed.items() if not one.now.any()
            }
            self._rich = [name for name, ratio in ratios.items() if ratio > policy.centering_rich]
        found = self._refuted(placed, points, density) or self._better(placed, points, density)
        if found is None:
            return False
        for name, weights in found.items():
            self.weights[self._parametrization.places[name]] = weights
        self._left -= 1
        return True

    def _better(
        self, placed: Mapping[str, Placed], points: Window, density: Callable[[np.ndarray], float]
    ) -> dict[str, np.ndarray] | None:
        """Weights by `better_weights`, but for variables that have to stay non-centered."""
        count, rich = len(points.draws), self._rich or ()
        found = better_weights(placed, count, self._policy, rich)
        if found is None:
            return None
        narrow = {name for name in found if self._may_be_narrow(name, placed[name], found[name], points, density)}
        if not narrow:
            return found
        others = {name: one for name, one in placed.items() if name not in narrow}
        return better_weights(others, count, self._policy, rich)

    def _refuted(
        self, placed: Mapping[str, Placed], points: Window, density: Callable[[np.ndarray], float]
    ) -> dict[str, np.ndarray]:
        """Weights of 0 for variables that were centered too early: data do not say clearly that they have a scale."""
        least, found = self._policy.centering_evidence, {}
        for name, one in placed.items():
            if not one.now.any() or one.alike:
                continue
            tests = self._tests(name, one, points, density)
            if all(clearly < least for _, clearly in tests):  # most often the first one says that it is clear
                found[name] = np.zeros_like(one.now)
        if found and self._rich:
            self._rich = [name for name in self._rich if name not in found]
        return found

    def _placed(self, points: Window) -> dict[str, Placed]:
        """Variables at some of the points, by name."""
        assert self.weights is not None
        positions, slopes = points.pairs
        some = np.linspace(0, len(positions) - 1, min(len(positions), self._policy.centering_most)).astype(int)
        positions, slopes = positions[some], slopes[some]
        values, locations, log_scales, _ = self._outward(positions)
        centered = self._parametrization.as_written
        with np.errstate(over="ignore", invalid="ignore"):
            deviations = (values - centered * locations) * np.exp((1 - centered) * log_scales)
        parts, placed = (deviations, locations, log_scales, slopes), {}
        for name, place in self._parametrization.places.items():
            one = self._parametrization.found[name]
            length = self._parametrization.shapes[name][-1] if one.series else 0
            before = self._before(values, place, one.sweeps) if one.sweeps > 1 else None
            deviation, location, log_scale, slope = (part[:, place] for part in parts)
            placed[name] = Placed(deviation, location, log_scale, slope, self.weights[place].copy(), length, before)
        return placed

    def _may_be_narrow(
        self, name: str, placed: Placed, wanted: np.ndarray, points: Window, density: Callable[[np.ndarray], float]
    ) -> bool:
        """Whether a variable that is non-centered has to stay so, as data allow for a scale that is next to nothing."""
        if placed.now.any() or not wanted.any():
            return False
        policy = self._policy
        _, clearly = self._evidence(name, placed, points, density)
        return clearly < policy.centering_evidence + policy.centering_early / len(points.draws)

    def _evidence(
        self, name: str, placed: Placed, points: Window, density: Callable[[np.ndarray], float]
    ) -> tuple[float, float]:
        """The least `evidence` of the effects of a variable at some points."""
        return min(self._tests(name, placed, points, density), default=(0.0, np.inf))

    def _tests(
        self, name: str, placed: Placed, points: Window, density: Callable[[np.ndarray], float]
    ) -> Iterator[tuple[float, float]]:
        """The `evidence` of the effects of a variable at some points, the latest first; none of a known scale."""
        assert self.weights is not None
        varies = np.ptp(placed.log_scales, axis=0) > 0
        places = np.flatnonzero(varies) + self._parametrization.places[name].start
        last = len(points.draws) - 1
        for i in np.linspace(last, last // 2, self._policy.centering_tests).astype(int) if varies.any() else ():
            without = points.draws[i].copy()
            _, locations, log_scales, _ = (part[0] for part in self._outward(without[None]))
            centers = self.weights[places] * locations[places]
            effects = (without[places] - centers) * np.exp(-self.weights[places] * log_scales[places])
            without[places] = centers
            if placed.length:  # standardised are the steps
                effects = np.diff(effects.reshape(len(varies) // placed.length, -1), prepend=0.0)
            loss = points.log_density[i] - density(without)
            loss += np.minimum(0.5 * effects**2, _LARGEST_EFFECT).sum()
            yield evidence(loss, len(places))

    def _before(self, values: np.ndarray, place: slice, size: int) -> np.ndarray:
        """Slopes of the locations of vectors in their elements (n, m, m), at vectors of the model (n, d).

        Locations are linear in them, and all vectors of a variable have one covariance.
        """
        found = np.empty((len(values), size, size))
        for i, value in enumerate(values):
            here = self._of.place(value)[0][place][:size]
            for element in range(size):
                moved = value.copy()
                moved[place][element] += 1.0
                found[i, :, element] = self._of.place(moved)[0][place][:size] - here
        return found

    @property
    def centered(self) -> dict[str, Any]:
        """The weight of each variable that is reparametrised, by name; a list of those of its elements if they differ.

        0 is non-centered, and 1 centered.
        """
        if self.weights is None:
            return {}
        places, names = self._parametrization.places, self._parametrization.names
        found = {}
        for name, value in names.items():
            weights = self.weights[places[value]].round(3)
            shape = self._parametrization.shapes[value]
            alike = np.all(weights == weights[:1])
            found[name] = float(weights.mean()) if alike else weights.reshape(shape).tolist()
        return found

    def snapshot(self, coordinates: np.ndarray) -> dict[str, Any] | None:
        """Weights, and where a chain is in these coordinates: it comes back from the model's by rounding alone."""
        if self.weights is None:
            return None
        weights, position = self.weights.copy(), coordinates.copy()
        return {"weights": weights, "position": position, "left": self._left, "rich": self._rich}

    def restore(self, snapshot: Mapping[str, Any] | None, position: np.ndarray) -> np.ndarray:
        """Take the weights of a snapshot; returns the coordinates (d,) of the chain, at `position` in the model's."""
        if self.weights is None or snapshot is None:
            return self.inward(position)
        self.weights[:] = snapshot["weights"]
        self._left, self._rich = snapshot["left"], snapshot.get("rich")
        return np.asarray(snapshot["position"])
