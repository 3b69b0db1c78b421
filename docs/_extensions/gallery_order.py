"""The order of the gallery: what to read first comes first."""

__all__ = ["ORDER", "Order"]

ORDER = (
    "quickstart.py",
    "eight_schools.py",
    "choosing_an_integrator.py",
    "choosing_a_kinetic_energy.py",
    "discrete_variables.py",
    "bambi_model.py",
    "hierarchy_before_and_after.py",
    "forecast_from_last_month.py",
    "ridge_hyperparameters.py",
    "learned_force.py",
    "neural_network.py",
    "energy_based_model.py",
    "at_scale_threads.py",
    "at_scale_store.py",
    "at_scale_dask.py",
    "phase_space.py",
    "hamiltonian_network.py",
    "own_integrator.py",
    "own_kinetic_energy.py",
)


class Order:
    """Sphinx-Gallery's sort key: the place of a file in `ORDER`."""

    def __init__(self, src_dir: str) -> None:
        pass

    def __call__(self, filename: str) -> int:
        """Look the place up; what has none (and so is no part of the gallery) comes last."""
        return ORDER.index(filename) if filename in ORDER else len(ORDER)
