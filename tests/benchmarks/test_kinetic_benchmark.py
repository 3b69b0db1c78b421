"""How the study of kinetic energies finds the best step size, and what it leaves on file."""

import json
import math

import pytest

from benchmarks import energies, study
from benchmarks.models import stationary
from benchmarks.studies import kinetic, kinetic_costs


@pytest.mark.parametrize("first", [0.01, 0.5, 20.0])
def test_the_best_step_is_found_from_anywhere(first):
    def run(step):
        accept = math.exp(-(step**2))
        return energies.Run(max(step * accept, 1e-9), accept, 0.0 if accept > 0.1 else 1000.0)

    best, stable, efficiency = kinetic.scan(run, first)
    assert best == pytest.approx(math.sqrt(0.5), rel=0.2)
    assert stable == pytest.approx(math.sqrt(math.log(2)), rel=0.2)
    assert efficiency > 0.4


def test_what_is_on_file_is_not_measured_again(tmp_path, monkeypatch):
    found = []

    def measure(case, *, record, keep, parts, **options):
        found.append(sorted(record))
        record |= {name: {"falls": {}} for name in energies.ENERGIES}
        keep(record)
        if "oracle" in parts:
            raise KeyboardInterrupt
        return record

    monkeypatch.setattr(kinetic, "measure", measure)
    monkeypatch.setattr(stationary, "load", lambda name: name)

    def run(*parts, seeds=2):
        return study.run_all(kinetic.cases(["t 3"], seeds=seeds, draws=10, parts=parts), tmp_path, tell=len)

    assert run("efficiency") == 1
    assert run("efficiency", "fall") == 0
    file = tmp_path / "no_u_turn" / "t_3.json"
    file.unlink()
    with pytest.raises(KeyboardInterrupt):
        run("efficiency", "oracle")
    kept = json.loads(file.read_text())  # what was done before the interruption
    assert kept["plan"] == {"seeds": 2, "draws": 10} and set(kept["record"]) == set(energies.ENERGIES)
    assert run("efficiency", "fall") == 0
    with pytest.raises(KeyboardInterrupt):
        run("efficiency", "oracle")
    assert found == [[], [], sorted(energies.ENERGIES)]
    with pytest.raises(ValueError, match="another folder"):
        run("efficiency", seeds=3)


def test_costs_of_energies_are_beside_the_gaussian():
    costs = kinetic_costs.step_costs(3, rounds=1, draws=2)
    assert list(costs) == ["density", *energies.ENERGIES]
    assert costs["gaussian"].ratio == 1 and all(cost.nanoseconds > 0 for cost in costs.values())
