"""Runs on disk: draws and statistics as a zarr hierarchy that xarray opens, and beside them the state of each chain.

A store is a directory.  Its groups are those of the DataTree that sampling returns; ``.run`` holds one JSON file that
describes the run by its model, options and sizes, a lock, and for each chain one file of arrays from which it goes on.
Everything is arrays or JSON, so that opening a store runs no code.

A block is committed by writing its draws, and then the state that follows them, with checksums of all draws so far.
Each file is replaced as a whole, so a process may be killed at any instant: draws beyond the count of the state do not
count, and are made again.  Files that do not change have their digests in the JSON file, which is written last when a
store is made, and both before and after anything else when it is enlarged.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import xarray as xr

from ..files import digest, read_json, read_state, read_tree, replace_file, write_json, write_state
from .draws import Draws
from .errors import StoreError
from .layout import STATE_FOLDER, lay_out, open_group, resized, zarr_module
from .places import check_names, local_path
from .validation import check_count, check_description, check_state, sampled_groups

if TYPE_CHECKING:
    import zarr

__all__ = ["FORMAT", "Store", "is_free"]

FORMAT = 2
_CREATING = "creating"  # a file that lists what a creation makes, until it is finished
_UNFIT = (ValueError, TypeError, KeyError, AttributeError, RecursionError, StoreError)  # of JSON that is not ours


class Store:
    """One run on disk.

    Made by `Store.create`, or from a path by `Store.open`.

    Attributes
    ----------
    path : pathlib.Path
    description : dict
        The options, model and sizes of the run, as JSON has them.
    token : str
        Of the call that holds the store for writing, while one does.
    """

    def __init__(self, path: Path, description: dict[str, Any]) -> None:
        self.path, self.description = path, description
        self.token = ""
        self._arrays: dict[str, dict[str, zarr.Array]] = {}

    @property
    def chains(self) -> int:
        """How many chains there are."""
        return int(self.description["chains"])

    @property
    def tune(self) -> int:
        """Draws of warm-up."""
        return int(self.description["tune"])

    @property
    def draws(self) -> int:
        """Draws of each chain beyond warm-up, when the run is finished."""
        return int(self.description["draws"])

    @classmethod
    def create(
        cls,
        path: Path,
        description: dict[str, Any],
        template: xr.DataTree,
        states: Sequence[Mapping[str, Any]],
        most: int | None = None,
    ) -> Self:
        """Make a store without draws.

        Parameters
        ----------
        path : Path
            Where nothing is yet, or an empty directory, or a store that a call has begun to make and was killed.
        description : dict
            The options, model and sizes of the run; JSON.
        template : DataTree
            The result of a run of any number of draws, from which groups, names, dimensions and dtypes are taken.
        states : sequence of dict
            The state that each chain begins from.
        most : int, optional
            How many draws of each chain there may come to be, where that is more than there is to be room for now.
        """
        zarr_module()
        path, folder = path.absolute(), path.absolute() / STATE_FOLDER
        store = cls(path, {"format": FORMAT, "id": uuid.uuid4().hex, **description})
        existed = path.exists()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with store._held():
                if not is_free(path):
                    raise StoreError(f"store: another run has been written to {path} meanwhile; give another name")
                try:
                    _clear(path)
                    replace_file(folder / _CREATING, json.dumps(list(template.children)).encode())
                    lay_out(path, store.description, template, most or store.draws)
                    for chain, state in enumerate(states):
                        store.save_state(chain, state)
                    store._save_description()  # now it is a store
                    (folder / _CREATING).unlink()
                except Exception:  # an interrupt finds zarr's own threads writing still: it leaves what a kill leaves
                    with suppress(OSError):
                        _clear(path)
                        shutil.rmtree(folder)
                        if not existed:
                            path.rmdir()
                    raise
        except OSError as error:
            raise StoreError(f"store: {path} cannot be made: {error.strerror or error}") from error
        except (TypeError, ValueError, KeyError) as error:
            raise StoreError(f"store: {path} cannot hold the variables of this model: {error}") from error
        return store

    @classmethod
    def open(cls, path: str | os.PathLike[str], formats: Sequence[int] = (FORMAT,)) -> Self:
        """A store that is there already, of one of these formats.

        Raises
        ------
        FileNotFoundError
            When there is nothing at `path`.
        StoreError
            When there is a file, another kind of directory, half a store, or one of another version.
        """
        path = local_path(path)
        if not path.exists():
            raise FileNotFoundError(f"store: there is nothing at {path}")
        if not path.is_dir():
            raise StoreError(f"store: {path} is a file; a store is a directory, so give another name")
        file = path / STATE_FOLDER / "run.json"
        if not file.exists() and file.parent.is_dir() and is_free(path):
            raise StoreError(f"store: {path} has no draws: a run was to write to it, and ended before it began")
        if not file.exists():
            missing = f"it has no {STATE_FOLDER}/run.json"
            raise StoreError(f"store: {path} is not a whole store of this package: {missing}; give another name")
        try:
            description = read_json(file, sealed=False)
            found = description["format"]
            if found == FORMAT or (found == 1 and "files" in description):
                description = read_json(file)
            if found in formats:
                check_description(description)
            if found in formats and found == 1 and len(list(file.parent.glob("chain-*.npz"))) != description["chains"]:
                raise ValueError(f"it describes {description['chains']} chains, which there are not")
        except OSError as error:
            raise StoreError(f"store: {file} cannot be read: {error.strerror or error}") from error
        except _UNFIT as error:
            raise StoreError(f"store: {file} is damaged ({error}); its draws can still be read by xarray") from error
        if found not in formats:
            raise StoreError(
                f"store: {path} has format {found}, and this version of pymc_symplectic goes on with format {FORMAT}; "
                f"use the version that made it ({description.get('version', 'unknown')}), or give another name"
            )
        return cls(path, description)

    def state_file(self, chain: int) -> Path:
        """The file with the state of a chain."""
        return self.path / STATE_FOLDER / f"chain-{chain}.npz"

    def _save_description(self) -> None:
        write_json(self.path / STATE_FOLDER / "run.json", self.description)

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Keep all others from writing."""
        from filelock import FileLock, Timeout

        lock = FileLock(self.path / STATE_FOLDER / "lock", is_singleton=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise StoreError(
                f"store: another run is writing to {self.path}; wait for it, or give another name"
            ) from None
        except OSError as error:
            raise StoreError(f"store: {self.path} cannot be written: {error.strerror or error}") from error
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store for writing.

        Raises
        ------
        StoreError
            When another run does, in this process or another.
        """
        zarr_module()
        with self._held():
            self.description = Store.open(self.path).description  # another run may have extended it in between
            try:
                for scratch in self.path.rglob("*.partial"):  # of a process that was killed
                    if scratch.is_file():
                        scratch.unlink(missing_ok=True)
                (self.path / STATE_FOLDER / _CREATING).unlink(missing_ok=True)
                self.token = uuid.uuid4().hex
                replace_file(self._owner, self.token.encode())
            except OSError as error:
                raise StoreError(f"store: {self.path} cannot be written: {error.strerror or error}") from error
            try:
                yield
            finally:
                self.token = ""
                with suppress(OSError):
                    self._owner.unlink(missing_ok=True)  # tasks that run elsewhere stop at their next commit

    @property
    def _owner(self) -> Path:
        return self.path / STATE_FOLDER / "owner"

    def check_owner(self, token: str) -> None:
        """Raise a StoreError unless the call that holds the store is the one with this `token`."""
        if not self._owner.exists() or self._owner.read_text() != token:
            raise StoreError(f"store: the run that was writing to {self.path} has ended, or another has taken over")

    def sign(self, version: str) -> None:
        """Say that this version has written to the store.

        Raises
        ------
        StoreError
            When it cannot be written.
        """
        if self.description["version"] == version:
            return
        self.description["version"] = version
        try:
            self._save_description()
        except OSError as error:
            raise StoreError(f"store: {self.path} cannot be written: {error.strerror or error}") from error

    # Layout

    def extend(self, draws: int) -> None:
        """Make room for more draws of each chain.

        The digests of the new files are written before the first of them is replaced, so that none is taken for damaged
        when this is cut short; it is begun anew then.

        Raises
        ------
        StoreError
            When it cannot be written.
        """
        self._arrays.clear()  # which know how long they were
        try:
            if "extending" in self.description:
                self._replace(resized(self.path, self.description, self.draws))
            files = resized(self.path, self.description, draws)
            digests = {file: digest(content) for file, content in files.items()}
            self.description["extending"] = {"draws": draws, "files": digests}
            self._save_description()
            self._replace(files)
            del self.description["extending"]
            self.description["draws"], self.description["files"] = draws, {**self.description["files"], **digests}
            self._save_description()
        except OSError as error:
            raise StoreError(f"store: {self.path} cannot be written: {error.strerror or error}") from error

    def _replace(self, files: Mapping[str, bytes]) -> None:
        for file, content in files.items():
            replace_file(self.path / file, content)

    def paths(self) -> dict[str, int]:
        """Draws in a block of each variable, by its path."""
        arrays = self.description["arrays"]
        return {
            f"{group}/{name}": size
            for group in sampled_groups(self.description)
            for name, size in arrays[group].items()
        }

    def arrays(self, group: str) -> dict[str, zarr.Array]:
        """The arrays of a group, to be written to."""
        if group not in self._arrays:
            found = open_group(self.path, group).arrays()
            # a block of zeros is written too, so that one that is gone is not taken for zeros
            opened = {name: array.with_config({"write_empty_chunks": True}) for name, array in found}
            self._arrays[group] = opened
        return self._arrays[group]

    def values(self, name: str, draws: int) -> np.ndarray:
        """The first draws of a variable after warm-up, (chains, draws, ...)."""
        return np.asarray(open_group(self.path, "posterior", mode="r")[name][:, :draws])

    # States

    def save_state(self, chain: int, state: Mapping[str, Any]) -> None:
        """Replace the state that a chain goes on from."""
        write_state(self.state_file(chain), {"store": self.description["id"], "chain": chain, **state})

    def state(self, chain: int) -> dict[str, Any]:
        """The state that a chain goes on from, as it was last saved.

        Raises
        ------
        StoreError
            When it is not what was saved.
        """
        file = self.state_file(chain)
        try:
            if not file.exists():
                raise ValueError("it is gone")
            if self.description["format"] == 1:
                state = read_state(file, sealed=False)
                check_count(state, self.description)
            else:
                state = read_state(file)
                check_state(state, chain, self.description, self.paths())
        except Exception as error:  # of bytes that make no sense anything may come
            raise StoreError(f"store: the state of chain {chain}, {file}, cannot be used: {error}") from error
        return state

    def states(self) -> tuple[dict[int, dict[str, Any]], dict[int, StoreError]]:
        """The state of each chain; and of each whose state is damaged, the error that says how."""
        found, lost = {}, {}
        for chain in range(self.chains):
            try:
                found[chain] = self.state(chain)
            except StoreError as error:
                lost[chain] = error
        return found, lost

    def counts(self) -> list[int]:
        """Number of draws of each chain that are stored, those of warm-up included."""
        return [int(self.state(chain).get("count", 0)) for chain in range(self.chains)]

    def glance(self, chain: int) -> int | None:
        """Number of draws of a chain that are stored, without reading its whole state; None where that fails."""
        try:
            return int(read_tree(self.state_file(chain)).get("count", 0))
        except Exception:
            return None

    def add_seconds(self, seconds: float) -> None:
        """Add to the time that sampling has taken, where this call has sampled."""
        if not self.token:
            return
        self.description["seconds"] = self.description.get("seconds", 0.0) + seconds
        with suppress(OSError):  # draws are stored by now, and matter more than their time
            self._save_description()

    def tree(self, chains: Sequence[int], length: int) -> xr.DataTree:
        """The first draws, so many with those of warm-up, of some chains; read when they are looked at."""
        return Draws(self.path, self.description, {}).tree(chains, length)


def is_free(path: Path) -> bool:
    """Whether a store can be made at `path`."""
    if not path.exists():
        return True
    if not path.is_dir():
        return False
    folder = path / STATE_FOLDER
    begun = {file.name for file in folder.iterdir() if file.suffix != ".partial"} if folder.is_dir() else set()
    unfinished = "run.json" not in begun and (_CREATING in begun or begun <= {"lock"})
    return unfinished and {file.name for file in path.iterdir()} <= {STATE_FOLDER, *_begun(path)}


def _begun(path: Path) -> list[str]:
    """Names that a creation which was not finished may have made at `path`, besides the folder of states."""
    try:
        groups = json.loads((path / STATE_FOLDER / _CREATING).read_bytes())
        check_names("group", groups)
    except (OSError, *_UNFIT):
        return []
    return ["zarr.json", *groups]


def _clear(path: Path) -> None:
    """Remove everything that a creation which was not finished has made at `path`, but for the lock."""
    for name in _begun(path):
        if (path / name).is_dir():
            shutil.rmtree(path / name)
        else:
            (path / name).unlink(missing_ok=True)
    for file in (path / STATE_FOLDER).iterdir():
        if file.name != "lock":
            file.unlink()
