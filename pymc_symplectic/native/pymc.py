"""Private parts of PyMC beyond its manual: hooks of step methods, progress bars, and functions without a page there.

Everything here was seen in PyMC 6.4.  Functions and classes that serve as they are, are imported here and named in
`__all__`:

- of step methods, ``Competence``, ``StepMethodState``, ``dataclass_state``, ``PointType``, ``StatsType``,
  ``RandomGenerator`` and ``get_random_generator``;
- of starts, ``make_initial_point_expression`` and ``make_initial_point_fn``;
- of graphs, ``rewrite_pregrad``, and the operations ``MinibatchOp`` and ``SimulatorRV``, which draw at random;
- of results, ``find_constants`` and ``find_observations`` of a model; ``get_default_varnames``;
  ``run_convergence_checks``, which reads ``free_RVs`` and ``deterministics`` of a model and nothing else, and
  ``log_warnings``;
- of progress bars, ``CustomProgress`` and ``default_progress_theme``.
"""

import logging
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, ClassVar

import pymc as pm
from rich.progress import TextColumn
from rich.table import Column

from .versions import needed, unfit

with needed("pymc"):
    from pymc.backends.arviz import find_constants, find_observations
    from pymc.blocking import PointType, StatsType
    from pymc.data import MinibatchOp
    from pymc.distributions.simulator import SimulatorRV
    from pymc.initial_point import make_initial_point_expression, make_initial_point_fn
    from pymc.logprob.abstract import _logprob
    from pymc.progress_bar import CustomProgress, ProgressBarManager, default_progress_theme
    from pymc.pytensorf import rewrite_pregrad
    from pymc.stats.convergence import log_warnings, run_convergence_checks
    from pymc.step_methods.compound import BlockedStep, Competence, StepMethodState
    from pymc.step_methods.state import dataclass_state
    from pymc.util import RandomGenerator, get_default_varnames, get_random_generator

__all__ = [
    "BarManager",
    "Competence",
    "CustomProgress",
    "MinibatchOp",
    "PointType",
    "RandomGenerator",
    "SimulatorRV",
    "StatsType",
    "Step",
    "StepMethodState",
    "dataclass_state",
    "default_progress_theme",
    "distribution_of",
    "find_constants",
    "find_observations",
    "get_default_varnames",
    "get_random_generator",
    "in_second_worker",
    "lags_of",
    "log_warnings",
    "logprob_of",
    "make_initial_point_expression",
    "make_initial_point_fn",
    "rewrite_pregrad",
    "run_convergence_checks",
]

_log = logging.getLogger(__name__)


class Step(BlockedStep):
    """A step method, whose hooks of private names are filled from public ones.

    Parameters
    ----------
    state : type, keyword of the class
        What `sampling_state` is made of: a `StepMethodState`.

    Attributes
    ----------
    progress_columns : sequence of (str, str, str)
        Of each column of the progress bar: the statistic in it, its title, and how it is formatted.

    Notes
    -----
    Touches ``BlockedStep._state_class``, ``_progressbar_config`` and ``_make_progressbar_update_functions``.  Where
    PyMC calls the latter two otherwise, its bar has no columns of ours.
    """

    progress_columns: ClassVar[Sequence[tuple[str, str, str]]] = ()

    def __init_subclass__(cls, *, state: type[StepMethodState] | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if state is not None:
            cls._state_class = state

    @classmethod
    def _progressbar_config(cls, n_chains: int = 1) -> tuple[list[TextColumn], dict[str, list[Any]]]:
        columns = [
            TextColumn(f"{{task.fields[{name}]{style}}}", table_column=Column(title, ratio=1))
            for name, title, style in cls.progress_columns
        ]
        return columns, {name: [0] * n_chains for name, _, _ in cls.progress_columns}

    @classmethod
    def _make_progressbar_update_functions(cls) -> tuple[Callable[[Mapping[str, Any]], dict[str, Any]]]:
        def update(stats: Mapping[str, Any]) -> dict[str, Any]:
            return {name: stats[name] for name, _, _ in cls.progress_columns} | {"failing": stats["divergences"] > 0}

        return (update,)


def logprob_of(op: Any) -> Any:
    """The function that makes the log-density of what an operation draws; for a user's own it holds theirs.

    Touches ``_logprob``, which chooses by the class of the operation.
    """
    with needed("pymc"):
        return _logprob.dispatch(type(op))


def in_second_worker() -> bool:
    """Whether this is the process of the second chain of `pymc.sample`, where chains run in several.

    Touches the name that PyMC gives that process, ``worker_chain_1``.  With another name, a step cannot tell that
    chains begin at one point where each has a process of its own.
    """
    return multiprocessing.current_process().name == "worker_chain_1"


class BarManager(ProgressBarManager):
    """PyMC's progress bars, without its idea of what a chain is.

    Touches ``ProgressBarManager._create_backend`` and ``_backend``, which know terminals from notebooks; and
    ``combined_progress``, ``full_stats`` and ``step_name``.  Where a backend cannot be made or updated as it
    was, which is logged, no bars are shown.
    """

    def begin(self, total: int, columns: Sequence[TextColumn], fields: Mapping[str, list[Any]]) -> None:
        """Make the bars, each up to `total`, with these columns and first values of their fields."""
        try:
            self._backend = self._create_backend(total, list(columns), dict(fields))
        except (AttributeError, TypeError) as error:
            self._give_up(error)

    def show(self, **fields: Any) -> None:
        """Move a bar: `task_id`, `advance`, `failing`, `stats`, `is_last`, `total`."""
        try:
            self._backend.update(**fields)
        except (AttributeError, TypeError) as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        _log.warning("No progress is shown: %s", unfit("pymc", error))
        with suppress(Exception):  # there may be none yet
            self._backend.__exit__(None, None, None)
        self._backend = _NoBars()


class _NoBars:
    """A backend that shows nothing."""

    def __enter__(self) -> "_NoBars":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, **_: Any) -> None:
        pass


def distribution_of(variable: Any) -> tuple[str, tuple[Any, ...]]:
    """The name of PyMC's distribution that a variable has, and its parameters; ("", ()) where it is another one.

    Touches ``rv_type`` and ``rv_op`` of distributions, and ``dist_params`` of the operations that draw from them; and
    ``_LKJCholeskyCov``, which the function without an underscore makes.
    """
    with needed("pymc"):
        node = variable.owner
        name = "" if node is None else _names_of_operations().get(type(node.op), "")
        return (name, tuple(node.op.dist_params(node))) if name else ("", ())


def lags_of(series: Any) -> tuple[int, bool]:
    """How many values before it each of an autoregression depends on, and whether on a constant, too.

    Touches ``ar_order`` and ``constant_term`` of what draws it.
    """
    with needed("pymc"):
        return int(series.owner.op.ar_order), bool(series.owner.op.constant_term)


@cache
def _names_of_operations() -> dict[type, str]:
    """Names of PyMC's distributions by what draws from them; of those that share it, the first one's."""
    found: dict[type, str] = {}
    for name in pm.distributions.__all__:
        distribution = getattr(pm.distributions, name)
        operation = getattr(distribution, "rv_type", None) or type(getattr(distribution, "rv_op", None))
        if hasattr(operation, "dist_params"):
            found.setdefault(operation, name)
    made = getattr(pm.distributions.multivariate, "_LKJCholeskyCov", None)
    if made is not None:
        found[made.rv_type] = "LKJCholeskyCov"
    return found
