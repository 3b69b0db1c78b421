"""Posteriors of posteriordb: the models of `posteriordb_models`, with their data and reference draws.

The data and the reference draws are read from a copy of `posteriordb <https://github.com/stan-dev/posteriordb>`_ that
the environment variable ``POSTERIORDB`` or an argument points to.

Examples
--------
>>> posterior = load("eight_schools-eight_schools_noncentered")  # doctest: +SKIP
>>> samples = pm.sample(model=posterior.model)  # doctest: +SKIP
>>> posterior.z_scores(samples)["tau"]  # doctest: +SKIP
"""

import json
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.models.posterior import Posterior
from benchmarks.models.posteriordb_models import REGISTRY

__all__ = ["VARIABLE", "load", "names", "posterior_database"]

VARIABLE = "POSTERIORDB"
FOLDERS = ("data", "posteriors", "reference_posteriors")
HELP = (
    "Clone https://github.com/stan-dev/posteriordb and set the environment variable "
    f"{VARIABLE} (or the argument `path`) to the clone's folder `posterior_database`, "
    f"which holds {', '.join(f'`{folder}/`' for folder in FOLDERS)}."
)

names = REGISTRY.names


def posterior_database(path: str | os.PathLike[str] | None = None) -> Path:
    """Find the folder with posteriordb's data.

    Parameters
    ----------
    path : path-like, optional
        The folder that holds ``data/``, ``posteriors/`` and ``reference_posteriors/``. By default the environment
        variable ``POSTERIORDB`` says where it is.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    FileNotFoundError
        If neither is given, or the folder does not hold these three.
    """
    given = path if path is not None else os.environ.get(VARIABLE)
    if not given:
        raise FileNotFoundError(f"Where posteriordb's data are is not set. {HELP}")
    folder = Path(given).expanduser()
    missing = [name for name in FOLDERS if not (folder / name).is_dir()]
    if missing:
        raise FileNotFoundError(
            f"{str(folder)!r} does not hold {' and '.join(f'`{name}/`' for name in missing)}. {HELP}"
        )
    return folder


def load(name: str, path: str | os.PathLike[str] | None = None) -> Posterior:
    """Build a posterior from posteriordb.

    Parameters
    ----------
    name : str
        One of `names`.
    path : path-like, optional
        As for `posterior_database`.

    Returns
    -------
    Posterior
        The model with its data, and the reference draws.
    """
    build = REGISTRY.builder(name)
    folder = posterior_database(path)
    entry = json.loads((folder / "posteriors" / f"{name}.json").read_text(encoding="utf-8"))
    data = _read(folder / "data" / "data" / f"{entry['data_name']}.json.zip")
    model = build({key: np.asarray(value) for key, value in data.items()})
    if entry.get("reference_posterior_name") is None:
        return Posterior(name, model)
    file = f"{entry['reference_posterior_name']}.json.zip"
    chains = _read(folder / "reference_posteriors" / "draws" / "draws" / file)
    reference = {parameter: np.array([chain[parameter] for chain in chains], dtype=float) for parameter in chains[0]}
    return Posterior(name, model, reference, {parameter: _parse(parameter) for parameter in reference})


def _read(file: Path) -> Any:
    """Read the one JSON document in a zip file."""
    with zipfile.ZipFile(file) as archive:
        return json.loads(archive.read(archive.namelist()[0]))


def _parse(parameter: str) -> tuple[str, tuple[int, ...]]:
    """Split a name with indices from 1, ``"x[1,2]"``, into the variable and indices from 0."""
    match = re.fullmatch(r"(\w+)(?:\[([\d,]+)\])?", parameter)
    if match is None:
        raise ValueError(f"Cannot read the parameter name {parameter!r}.")
    variable, indices = match.groups()
    return variable, tuple(int(index) - 1 for index in indices.split(",")) if indices else ()
