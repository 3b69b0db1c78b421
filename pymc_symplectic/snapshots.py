"""Whether the snapshot of a chain, which may come from a file, is one that its kernels can go on from.

Compiled code reads arrays by the sizes that they should have, and believes every number in them.  Files may have been
written by earlier versions: `upgraded` says what those left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .adaptation.approach import Approach
from .adaptation.energy import EnergyTrial
from .adaptation.force import LEARNS, PROVES, SurrogateTrial
from .adaptation.gathering import Gathering
from .adaptation.warmup import WarmUp
from .kernels.adapt import GAMMA, LOG_MEAN_STEP, N_STEP, Learning, new_learning
from .kernels.linear import map_of
from .kernels.state import KEPT, SEEN, STRIDE, Trail
from .kinetic.profile import ProfileEnergy
from .knowledge import Learned, LearnedChain
from .settings import Settings
from .target import LogDensity

__all__ = ["check_learned", "check_snapshot", "generator_of", "upgraded"]


_ROUNDING = 1e-6  # of tables that another machine has made
_PLACES = {"pos": "key", "buffer_pos": "buffer"}  # fields of bit generators that point into others


def check_learned(learned: Learned, settings: Settings, target: LogDensity) -> None:
    """Raise a ValueError unless chains with these settings, on this log-density, can begin from what was learned.

    Parameters
    ----------
    learned : Learned
    settings : Settings
    target : LogDensity
    """
    ours, theirs = target.layout, dict(learned.variables)
    found = [f"{name} is not in the model" for name in theirs if name not in ours]
    found += [f"{name} of the model is new" for name in ours if name not in theirs]
    found += [
        f"{name} has shape {ours[name]} in the model, and had {theirs[name]}"
        for name in ours
        if name in theirs and ours[name] != theirs[name]
    ]
    if not found and list(ours) != list(theirs):
        found = [f"the variables come in the order {', '.join(ours)}, and came in {', '.join(theirs)}"]
    if found:
        raise ValueError(f"learned: what was learned is of another model: {'; '.join(found)}")
    moved = np.zeros(target.dim, bool)
    if target.parametrization is not None and settings.reparametrizes:
        for place in target.parametrization.places.values():
            moved[place] = True
    warmup = WarmUp(settings, target.dim, 0)
    for number, chain in enumerate(learned.chains):
        if chain.weights is not None and np.any(chain.weights[~moved] != 1):
            names = ", ".join(target.names_of(~moved & (chain.weights != 1)))
            raise ValueError(f"learned: chain {number} has moved {names} in coordinates that this model does not have")
        if (chain.weights is None) != (learned.chains[0].weights is None):
            raise ValueError("learned: some chains have weights of a parametrization, and others have none")
        try:
            _check_begun_from(chain, warmup, settings, target.dim)
        except ValueError as error:
            raise ValueError(f"learned: chain {number} cannot be gone on from: {error}") from error


def _check_begun_from(known: LearnedChain, warmup: WarmUp, settings: Settings, dim: int) -> None:
    """Raise a ValueError unless a chain with these settings can go on from what another one has learned."""
    warmup.check(known)
    _check_kinetic(known.kinetic, settings, known.state["energy"], dim)


def generator_of(state: Any) -> np.random.Generator:
    """The generator that has this state.

    Raises
    ------
    ValueError
        When there is none.
    """
    try:
        made = getattr(np.random, str(state["bit_generator"]))
        if not issubclass(made, np.random.BitGenerator):
            raise TypeError(f"numpy.random.{state['bit_generator']} is no bit generator")
        generator = np.random.Generator(made())
        own = generator.bit_generator.state
        _check_alike("rng", state, own)
        generator.bit_generator.state = state
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"rng is not the state of a generator of numpy: {error}") from error
    return generator


def _check_alike(name: str, value: Any, own: Any) -> None:
    """Raise a ValueError unless the state of a bit generator is built like another one of the same kind."""
    if isinstance(own, Mapping):
        if not isinstance(value, Mapping) or value.keys() != own.keys():
            raise ValueError(f"{name} is {value!r}, and must have {', '.join(own)}")
        for key, entry in own.items():
            _check_alike(f"{name}, {key}", value[key], entry)
            if key in _PLACES and not 0 <= value[key] <= len(own[_PLACES[key]]):
                raise ValueError(f"{name}, {key} is {value[key]}")
    elif isinstance(own, np.ndarray):
        _check_array(name, value, own.shape, own.dtype)
    elif isinstance(own, str):
        if value != own:
            raise ValueError(f"{name} is {value!r}, and must be {own!r}")
    elif isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is {value!r}")


def upgraded(snapshot: Mapping[str, Any], settings: Settings, tune: int) -> Mapping[str, Any]:
    """A snapshot of a chain as this version makes them, of one that an earlier version may have made.

    Raises
    ------
    ValueError, LookupError, TypeError, AttributeError
        When none can have made it.
    """
    step = snapshot["learning"]["step"]
    if np.shape(step) == (N_STEP - 1,):  # the step size was always moved by this gain
        snapshot = {**snapshot, "learning": {**snapshot["learning"], "step": np.append(step, GAMMA)}}
    if "pending_values" not in snapshot:  # there was nothing that evaluates them
        snapshot = {**snapshot, "pending_values": 0}
    if "coordinates" not in snapshot:
        snapshot = {**snapshot, "coordinates": None}
    if "gathering" not in snapshot:  # chains did not wait for each other
        snapshot = {**snapshot, "gathering": Gathering(len(snapshot["position"]), False).snapshot()}
    if "known" not in snapshot["gathering"]:  # and did not tell each other what they had learned
        snapshot = {**snapshot, "gathering": {**snapshot["gathering"], "known": None}}
    if "approach" not in snapshot:
        snapshot = _of_windows(snapshot, settings, tune)
    if "energy" not in snapshot:
        snapshot = _of_one_energy(snapshot, settings)
    if "surrogate" not in snapshot:
        fresh = SurrogateTrial(settings, len(snapshot["position"]))
        snapshot = {**snapshot, "surrogate": fresh.snapshot(), "density": None}
    if "choice" in snapshot:
        return snapshot
    snapshot = {**snapshot, "choice": {"history": list(snapshot["tuner"]["history"])}}
    warmup = WarmUp(settings, len(snapshot["position"]), tune)
    choice = warmup.choice(warmup.restore(snapshot).metric)
    return {**snapshot, "choice": {**choice, "step_size": float(np.exp(step[LOG_MEAN_STEP]))}}


def _of_one_energy(snapshot: Mapping[str, Any], settings: Settings) -> Mapping[str, Any]:
    """A snapshot of a version that had the kinetic energy which was asked for, and tried no other."""
    trial = EnergyTrial(replace(settings, policy=replace(settings.policy, energy_trial=False)), 1)
    snapshot = {**snapshot, "energy": trial.snapshot()}
    if settings.kinetic.adapts and "choice" in snapshot:
        snapshot["choice"] = {**snapshot["choice"], **trial.choice}
    return snapshot


def _of_windows(snapshot: Mapping[str, Any], settings: Settings, tune: int) -> Mapping[str, Any]:
    """A snapshot of a version that learned by windows alone, from which a chain that has learned goes on."""
    if snapshot["count"] < tune:
        raise ValueError(
            f"the chain was in warm-up, at draw {snapshot['count']} of {tune}, and was made by an earlier version, "
            "which learned in another way"
        )
    dim, before = len(snapshot["position"]), snapshot["learning"]
    learning = new_learning(dim, WarmUp(settings, dim, tune).memory, 1.0, 0.5)._asdict()
    approach = Approach(settings.policy, dim)
    approach.end("an earlier version has learned by windows")
    return {
        **snapshot, "approach": approach.snapshot(), "end": tune, "trail": None, "skipped": False,
        "learning": {**learning, "step": before["step"], "tuning": before["tuning"]},
    }  # fmt: skip


def check_snapshot(
    snapshot: Mapping[str, Any], settings: Settings, tune: int, learning: Learning, trail: Trail
) -> None:
    """Raise a ValueError unless a chain with these settings, draws of warm-up, and memory can have been like this.

    Parameters
    ----------
    snapshot : dict
        As `Chain.snapshot` makes it.
    settings : Settings
    tune : int
        Draws of warm-up.
    learning : Learning
    trail : Trail
        Of the chain.
    """
    dim = learning.means.shape[1]
    _check_array("position", snapshot["position"], (dim,), float)
    if not np.all(np.isfinite(snapshot["position"])):
        raise ValueError("position is not finite")
    for name in ("count", "pending_gradients", "pending_values"):
        if not _whole(snapshot[name]):
            raise ValueError(f"{name} is {snapshot[name]!r}, and must be an integer of at least 0")
    if not isinstance(snapshot["far"], bool):
        raise ValueError(f"far is {snapshot['far']!r}, and must be true or false")
    ends = snapshot["windows"]
    if not isinstance(ends, list) or not all(map(_whole, ends)):
        raise ValueError(f"windows are {ends!r}")
    if not _whole(snapshot["end"]) or snapshot["end"] > tune:
        raise ValueError(f"warm-up has its end at {snapshot['end']!r} of {tune} draws")
    if not isinstance(snapshot["skipped"], bool):
        raise ValueError(f"skipped is {snapshot['skipped']!r}, and must be true or false")
    if ends != sorted(set(ends)) or not all(0 < end <= tune for end in ends):
        raise ValueError(f"windows are {ends!r}, and must follow each other in {tune} draws")
    if snapshot["mean"] is not None:
        _check_array("mean", snapshot["mean"], (dim,), float)
        if not np.all(np.isfinite(snapshot["mean"])):
            raise ValueError("mean is not finite")
    if settings.refreshment.keeps:
        _check_array("momentum", snapshot["momentum"], (dim,), float)
        if not np.all(np.isfinite(snapshot["momentum"])):
            raise ValueError("momentum is not finite")
    if (coordinates := snapshot["coordinates"]) is not None:
        _check_array("coordinates, position", coordinates["position"], (dim,), float)
        _check_array("coordinates, weights", coordinates["weights"], (dim + 1,), float)
        if not _whole(coordinates["left"]):
            raise ValueError(f"coordinates, left is {coordinates['left']!r}, and must be an integer of at least 0")
        if not np.all(np.isfinite(coordinates["position"])):
            raise ValueError("coordinates, position is not finite")
        if not np.all((coordinates["weights"][:-1] >= 0) & (coordinates["weights"][:-1] <= 1)):
            raise ValueError("coordinates, weights are not between 0 and 1")
    _check_gathering(snapshot["gathering"], settings, dim)
    map_of(snapshot["metric"]).check(dim)
    _check_kinetic(snapshot["kinetic"], settings, snapshot["energy"], dim)
    _check_learning(snapshot["learning"], learning, snapshot["count"])
    _check_warmup(snapshot, settings, dim, tune)
    _check_trail(snapshot, trail)
    generator_of(snapshot["rng"])


def _check_gathering(gathering: Mapping[str, Any], settings: Settings, dim: int) -> None:
    if gathering["known"] is not None:
        known = LearnedChain.restored(gathering["known"])
        known.check(dim)
        _check_begun_from(known, WarmUp(settings, dim, 0), settings, dim)
    levels = gathering["levels"]
    _check_array("gathering, levels", levels, (len(levels), 4 + dim), float)
    for name in ("judged", "moved"):
        if not _whole(gathering[name]) or gathering[name] > len(levels) or gathering["moved"] > gathering["judged"]:
            raise ValueError(f"gathering, {name} is {gathering[name]!r} at {len(levels)} ends of warm-up")
    if not np.all(np.isfinite(levels[:, 4:])):
        raise ValueError("gathering, levels have positions that are not finite")


def _check_kinetic(params: Any, settings: Settings, trial: Mapping[str, Any], dim: int) -> None:
    energy = EnergyTrial(settings, dim)
    energy.restore(trial)
    kinetic = energy.energy
    fresh = kinetic.record(dim).params
    if not kinetic.adapts:
        due = fresh
    elif isinstance(kinetic, ProfileEnergy):
        table = int(fresh[0])
        _check_array("the kinetic energy", params, np.shape(params)[:1], float)
        own = tuple(params[1:table].tolist())
        if params.size < table or params[0] != table or not kinetic.may_learn(own):
            raise ValueError("the kinetic energy is of another kind")
        due = kinetic.made_from(own, dim).params
    else:  # of somebody's own, who knows what it may become
        due = np.asarray(params)
    _check_array("the kinetic energy", params, due.shape, float)
    if not np.allclose(params, due, rtol=_ROUNDING, atol=_ROUNDING, equal_nan=True):
        raise ValueError("the kinetic energy is another one")


def _check_learning(arrays: Any, own: Learning, count: int) -> None:
    if set(arrays) != set(own._fields):
        raise ValueError(f"what the chain has learned is {', '.join(map(str, arrays))}")
    for name, array in own._asdict().items():
        _check_array(f"learning, {name}", arrays[name], array.shape, array.dtype)
    for name in ("step", "tuning"):
        if not np.all(np.isfinite(arrays[name])):
            raise ValueError(f"learning, {name} is not finite")
    if np.any(arrays["counters"] < 0) or np.any(arrays["counters"] > count):
        raise ValueError(f"learning, counters are {arrays['counters']} after {count} draws")


def _check_trail(snapshot: Mapping[str, Any], own: Trail) -> None:
    arrays = snapshot["trail"]
    remembers = not snapshot["approach"]["over"] or snapshot["surrogate"]["state"] in (LEARNS, PROVES)
    if (arrays is None) == remembers:
        raise ValueError("points of trajectories are remembered for as long as they are needed, and no longer")
    if arrays is None:
        return
    if set(arrays) != set(own._fields):
        raise ValueError(f"of points there are {', '.join(map(str, arrays))}")
    for name, array in own._asdict().items():
        _check_array(f"trail, {name}", arrays[name], array.shape, array.dtype)
    seen, stride, kept = (int(arrays["counters"][place]) for place in (SEEN, STRIDE, KEPT))
    if not (0 <= kept <= seen and stride >= 1):
        raise ValueError(f"trail, counters are {arrays['counters']}")


def _check_warmup(snapshot: Mapping[str, Any], settings: Settings, dim: int, tune: int) -> None:
    """Raise a ValueError unless a warm-up can have come to this, and has come to what the snapshot says."""
    tuner, choice = snapshot["tuner"], dict(snapshot["choice"])
    try:
        found = tuner["found"]
        if found is not None:
            name, *numbers, repeats = found
            if not (np.all(np.isfinite(numbers)) and numbers[0] > 0 and numbers[2] > 0):
                raise ValueError(f"it has found {found}")
            if not (_whole(repeats) and repeats > 0 and name in tuner["schemes"]):
                raise ValueError(f"it has found {found}")
        if not np.all(np.isfinite(tuner["floor"])):
            raise ValueError(f"its floor is {tuner['floor']}")
        warmup = WarmUp(settings, dim, tune)
        due = warmup.choice(warmup.restore(snapshot).metric)
        step_size = choice.pop("step_size")
        for told in ("centered", "moved"):  # in words, what coordinates and gathering have in numbers
            choice.pop(told, None)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"the tuner cannot have been like this: {type(error).__name__}: {error}") from error
    if choice != due or not np.isclose(step_size, np.exp(snapshot["learning"]["step"][LOG_MEAN_STEP])):
        raise ValueError(f"choice is {snapshot['choice']}, where {due} was chosen")


def _check_array(name: str, array: Any, shape: Sequence[int], dtype: Any) -> None:
    if not isinstance(array, np.ndarray) or array.shape != tuple(shape) or array.dtype != dtype:
        found = f"{array.dtype}{array.shape}" if isinstance(array, np.ndarray) else repr(array)[:60]
        raise ValueError(f"{name} is {found}, and must be {np.dtype(dtype)}{tuple(shape)}")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
