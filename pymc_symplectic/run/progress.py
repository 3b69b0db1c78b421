"""How far chains have come, and the bars that show it as PyMC does, in terminals and notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.progress import TextColumn
from rich.table import Column

from ..native.pymc import BarManager

__all__ = ["Bars", "Progress"]

_MOST_BARS = 16  # a terminal shows no more rows: beyond, all chains share one
_COLUMNS = (
    ("divergences", "Divergences", ""),
    ("step_size", "Step size", ":0.3f"),
    ("n_gradients", "Grad evals", ""),
)


@dataclass(frozen=True)
class Progress:
    """How far a chain has come, after its latest block of draws."""

    count: int = 0
    """Draws so far, those of warm-up included."""
    divergences: int = 0
    """After warm-up, so far."""
    step_size: float = 0.0
    """Of the latest draw."""
    gradients: float = 0.0
    """Evaluations for each draw of the block, on average."""
    values: float = 0.0
    """The same of values alone."""

    @property
    def evaluations(self) -> str:
        """Both in words; values where there are any."""
        return f"{self.gradients:.1f}" + (f" + {self.values:.1f} values" if self.values else "")


class Bars(BarManager):
    """A bar for each chain, or one for all.

    Parameters
    ----------
    chains, draws, tune : int
    progressbar : bool or str
        As for `pymc.sample`.  True gives each chain its own bar where there are few.
    theme : optional
        As for `pymc.sample`.
    begun : sequence of int, optional
        How many draws each chain has made already.
    """

    step_name = "Draw"

    def __init__(
        self,
        chains: int,
        draws: int,
        tune: int,
        progressbar: Any = True,
        theme: Any = None,
        begun: Sequence[int] = (),
    ) -> None:
        if progressbar is True and chains > _MOST_BARS:
            progressbar = "combined+stats"
        super().__init__(n_bars=chains, progressbar=progressbar, progressbar_theme=theme)
        begun = list(begun) or [0] * chains
        self._latest = [Progress(count) for count in begun]
        # a bar is of what is left to do, so that its speed and the time left are right
        self._shown, each = ([sum(begun)], draws + tune) if self.combined_progress else (list(begun), draws + tune)
        share = chains if self.combined_progress else 1
        self._ends = [share * each] * len(self._shown)
        self._totals, self._warmup = [share * each - count for count in self._shown], share * tune
        columns = [
            TextColumn(f"{{task.fields[{name}]{style}}}", table_column=Column(title, ratio=1))
            for name, title, style in _COLUMNS
        ]
        fields: dict[str, list[Any]] = {name: [0] * chains for name, _, _ in _COLUMNS}
        fields |= {"draw": [0] * chains, "marker_pos": [max(self._warmup - count, 0) for count in self._shown]}
        self.begin(max(self._totals), columns if self.full_stats else [], fields)

    def update(self, chain: int, progress: Progress) -> None:
        """Show how far a chain has come."""
        self._latest[chain] = progress
        bar, shown = (0, _summary(self._latest)) if self.combined_progress else (chain, progress)
        advance, self._shown[bar] = shown.count - self._shown[bar], shown.count
        if advance == 0:
            return
        stats: dict[str, Any] = {"draw": shown.count - (self._warmup if shown.count > self._warmup else 0)}
        if self.full_stats:
            stats |= {
                "divergences": shown.divergences,
                "step_size": shown.step_size,
                "n_gradients": shown.evaluations,
            }
        self.show(
            task_id=bar,
            advance=advance,
            failing=shown.divergences > 0,
            stats=stats,
            is_last=shown.count >= self._ends[bar],
            total=self._totals[bar],
        )


def _summary(chains: list[Progress]) -> Progress:
    """The progress of all chains together: sums of counts, and means over those chains that have begun."""
    begun = [progress for progress in chains if progress.count]
    means = (
        sum(getattr(progress, name) for progress in begun) / max(len(begun), 1)
        for name in ("step_size", "gradients", "values")
    )
    return Progress(sum(progress.count for progress in begun), sum(progress.divergences for progress in begun), *means)
