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

__all__ = ["VARIABLE", "Entry", "load", "names", "posterior_database"]

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
    entry = Entry(name, path)
    model = build({key: np.asarray(value) for key, value in json.loads(entry.data()).items()})
    reference = entry.reference()
    return Posterior(name, model, reference, {parameter: _parse(parameter) for parameter in reference or {}})


class Entry:
    """What posteriordb has of one posterior.

    Parameters
    ----------
    name : str
        The posterior, data before model.
    path : path-like, optional
        As for `posterior_database`.

    Attributes
    ----------
    model : str
        The name of its model.
    program : Path
        The model's Stan program; of a few models, there is none.
    """

    def __init__(self, name: str, path: str | os.PathLike[str] | None = None) -> None:
        self._folder = posterior_database(path)
        text = (self._folder / "posteriors" / f"{name}.json").read_text(encoding="utf-8")
        self._known: dict[str, Any] = json.loads(text)
        self.model = str(self._known["model_name"])
        self.program = self._folder / "models" / "stan" / f"{self.model}.stan"

    def data(self) -> str:
        """The data, as JSON."""
        return _unzip(self._folder / "data" / "data" / f"{self._known['data_name']}.json.zip")

    def reference(self) -> dict[str, np.ndarray] | None:
        """Reference draws of each quantity, shape (chains, draws); None where there are none."""
        name = self._known.get("reference_posterior_name")
        if name is None:
            return None
        chains = json.loads(_unzip(self._folder / "reference_posteriors" / "draws" / "draws" / f"{name}.json.zip"))
        return {parameter: np.array([chain[parameter] for chain in chains], dtype=float) for parameter in chains[0]}


def _unzip(file: Path) -> str:
    """Read the one document in a zip file."""
    with zipfile.ZipFile(file) as archive:
        return archive.read(archive.namelist()[0]).decode()


def _parse(parameter: str) -> tuple[str, tuple[int, ...]]:
    """Split a name with indices from 1, ``"x[1,2]"``, into the variable and indices from 0."""
    match = re.fullmatch(r"(\w+)(?:\[([\d,]+)\])?", parameter)
    if match is None:
        raise ValueError(f"Cannot read the parameter name {parameter!r}.")
    variable, indices = match.groups()
    return variable, tuple(int(index) - 1 for index in indices.split(",")) if indices else ()
