"""Progress bars: they show what the chains have done."""

import io

import pytest
import rich.console

from pymc_symplectic.run import progress
from pymc_symplectic.run.progress import Bars, Progress


class Backend:
    def __init__(self):
        self.seen = []

    def update(self, **values):
        self.seen.append(values)


@pytest.fixture
def bars_of(monkeypatch):
    def make(*args, **kwargs):
        bars = Bars(*args, **kwargs)
        bars._backend = Backend()
        return bars

    return make


def test_one_bar_for_each_of_few_chains(bars_of):
    bars = bars_of(3, 10, 5)
    assert not bars.combined_progress
    bars.update(1, Progress(3, 0, 0.5, 7.0))
    bars.update(1, Progress(9, 2, 0.25, 8.0))
    bars.update(2, Progress(15, 0, 0.5, 7.0))
    first, second, last = bars._backend.seen
    assert (first["task_id"], first["advance"], first["is_last"], first["failing"]) == (1, 3, False, False)
    assert (second["advance"], second["failing"]) == (6, True)
    assert first["stats"] == {"draw": 3, "divergences": 0, "step_size": 0.5, "n_gradients": "7.0"}
    assert second["stats"]["draw"] == 4  # of sampling, after 5 of warm-up
    assert (last["task_id"], last["advance"], last["is_last"], last["total"]) == (2, 15, True, 15)


@pytest.mark.parametrize(("chains", "combined"), [(1, False), (16, False), (17, True), (200, True)])
def test_many_chains_share_one_bar(chains, combined):
    assert Bars(chains, 10, 5).combined_progress == combined


def test_shared_bar_sums_what_is_counted_and_averages_the_rest(bars_of):
    bars = bars_of(20, 10, 5)
    bars.update(3, Progress(15, 2, 0.5, 4.0))
    bars.update(7, Progress(5, 1, 0.1, 8.0))
    shown = bars._backend.seen[-1]
    assert (shown["task_id"], shown["advance"], shown["total"], shown["is_last"]) == (0, 5, 300, False)
    assert shown["stats"]["divergences"] == 3
    assert shown["stats"]["step_size"] == pytest.approx(0.3)
    assert shown["stats"]["n_gradients"] == "6.0"
    for chain in range(20):
        bars.update(chain, Progress(15, 0, 0.5, 4.0))
    assert bars._backend.seen[-1]["is_last"]
    assert sum(shown["advance"] for shown in bars._backend.seen) == 300


@pytest.mark.parametrize("chains", [2, 20])
def test_resumed_runs_count_what_is_left(chains, bars_of):
    bars = bars_of(chains, 10, 5, begun=[12] * chains)
    bars.update(0, Progress(15, 0, 0.5, 4.0))
    shown = bars._backend.seen[-1]
    assert shown["advance"] == 3
    assert shown["total"] == (3 if chains == 2 else 60)
    for chain in range(chains):
        bars.update(chain, Progress(15, 0, 0.5, 4.0))
    assert bars._backend.seen[-1]["is_last"]
    assert sum(shown["advance"] for shown in bars._backend.seen if shown["task_id"] == 0) == shown["total"]


def test_equal_news_are_no_news(bars_of):
    bars = bars_of(2, 10, 5)
    bars.update(0, Progress(3, 0, 0.5, 4.0))
    bars.update(0, Progress(3, 0, 0.5, 4.0))
    bars.update(1, Progress(0, 0, 0.0, 0.0))
    assert len(bars._backend.seen) == 1


@pytest.mark.parametrize("begun", [(), [15, 15], [3, 0], [40, 40]], ids=str)
@pytest.mark.parametrize("kind", [True, False, "combined", "split", "combined+stats", "split+stats"])
def test_bars_are_drawn(kind, begun, monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(
        rich.console.Console, "file", property(lambda self: out, lambda self, value: None), raising=False
    )
    with Bars(2, 10, 5, kind, None, begun) as bars:
        for count in (1, 4, 5, 6, 15):
            for chain in (0, 1):
                bars.update(chain, Progress(max(count, (begun or [0, 0])[chain]), 0, 0.5, 4.0))
    assert bool(out.getvalue()) == bool(kind)


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="progressbar"):
        Bars(2, 10, 5, "nonsense")


@pytest.mark.parametrize("kind", ["combined", "split", "split+stats", False, True])
@pytest.mark.parametrize("quiet", [False, True])
def test_sample_draws_the_bars_that_it_was_asked_for(kind, quiet, normal_model, monkeypatch):
    import pymc_symplectic as ps
    from pymc_symplectic.run import request

    seen = []

    class Watched(progress.Bars):
        def __init__(self, chains, draws, tune, progressbar=True, *rest):
            seen.append(progressbar)
            super().__init__(chains, draws, tune, False, *rest)

    monkeypatch.setattr(request, "Bars", Watched)
    ps.sample(2, tune=2, chains=1, model=normal_model, progressbar=kind, quiet=quiet, compute_convergence_checks=False)
    assert seen[-1] == (False if quiet else kind)


def test_values_are_shown_where_there_are_any(bars_of):
    bars = bars_of(1, 10, 0)
    bars.update(0, Progress(3, 0, 0.5, 7.0, 1.25))
    assert bars._backend.seen[-1]["stats"]["n_gradients"] == "7.0 + 1.2 values"
