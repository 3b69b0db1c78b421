"""Runs on disk: draws and statistics as a zarr hierarchy that xarray opens, and beside them the state of each chain.

A store is a directory.  Its groups are those of the DataTree that sampling returns; ``.run`` holds one JSON file that
says of what model and with what options it is, a lock, and for each chain one file of arrays from which it goes on.
Everything is arrays or JSON, so that opening a store runs no code.

A block is committed by writing its draws, and then the state that follows them, with checksums of all draws so far.
Each file is replaced as a whole, so a process may be killed at any instant: draws beyond the count of the state do not
count, and are made again.  What does not change is told by its digest in the JSON file, which is written last when a
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

import xarray as xr

from .draws import Draws
from .errors import StoreError
from .files import digest, read_json, read_state, read_tree, replace_file, write_json, write_state
from .layout import STATE_FOLDER, lay_out, open_group, resized, zarr_module
from .places import check_names, local_path
from .validation import check_about, check_count, check_state, sampled_groups

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
    about : dict
        What the run is: its options, model, and sizes, as JSON has them.
    token : str
        Of the call that holds the store for writing, while one does.
    """

    def __init__(self, path: Path, about: dict[str, Any]) -> None:
        self.path, self.about = path, about
        self.token = ""

    @property
    def chains(self) -> int:
        """How many chains there are."""
        return int(self.about["chains"])

    @property
    def tune(self) -> int:
        """Draws of warm-up."""
        return int(self.about["tune"])

    @property
    def draws(self) -> int:
        """Draws of each chain beyond warm-up, when the run is finished."""
        return int(self.about["draws"])

    @classmethod
    def create(
        cls, path: Path, about: dict[str, Any], template: xr.DataTree, states: Sequence[Mapping[str, Any]]
    ) -> Self:
        """Make a store without draws.

        Parameters
        ----------
        path : Path
            Where nothing is yet, or an empty directory, or what a call that was killed has begun to make.
        about : dict
            What `about` is to be; JSON.
        template : DataTree
            The result of a run of any number of draws, from which groups, names, dimensions and dtypes are taken.
        states : sequence of dict
            What each chain begins from.
        """
        zarr_module()
        path, folder = path.absolute(), path.absolute() / STATE_FOLDER
        store = cls(path, {"format": FORMAT, "id": uuid.uuid4().hex, **about})
        existed = path.exists()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with store._held():
                if not is_free(path):
                    raise StoreError(f"store: another run has been written to {path} meanwhile; give another name")
                try:
                    _clear(path)
                    replace_file(folder / _CREATING, json.dumps(list(template.children)).encode())
                    lay_out(path, store.about, template)
                    for chain, state in enumerate(states):
                        store.save_state(chain, state)
                    store._save_about()  # now it is a store
                    (folder / _CREATING).unlink()
                except BaseException:
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
            When what is there is a file, another kind of directory, half a store, or of another version.
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
            about = read_json(file, sealed=False)
            found = about["format"]
            if found == FORMAT or (found == 1 and "files" in about):
                about = read_json(file)
            if found in formats:
                check_about(about)
            if found in formats and found == 1 and len(list(file.parent.glob("chain-*.npz"))) != about["chains"]:
                raise ValueError(f"it tells of {about['chains']} chains, which there are not")
        except OSError as error:
            raise StoreError(f"store: {file} cannot be read: {error.strerror or error}") from error
        except _UNFIT as error:
            raise StoreError(f"store: {file} is damaged ({error}); its draws can still be read by xarray") from error
        if found not in formats:
            raise StoreError(
                f"store: {path} has format {found}, and this version of pymc_symplectic goes on with format {FORMAT}; "
                f"use the version that made it ({about.get('version', 'unknown')}), or give another name"
            )
        return cls(path, about)

    def state_file(self, chain: int) -> Path:
        """Where the state of a chain is."""
        return self.path / STATE_FOLDER / f"chain-{chain}.npz"

    def _save_about(self) -> None:
        write_json(self.path / STATE_FOLDER / "run.json", self.about)

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
            self.about = Store.open(self.path).about  # another run may have extended it in between
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
        if self.about["version"] == version:
            return
        self.about["version"] = version
        try:
            self._save_about()
        except OSError as error:
            raise StoreError(f"store: {self.path} cannot be written: {error.strerror or error}") from error

    # Layout

    def extend(self, draws: int) -> None:
        """Make room for more draws of each chain.

        What files are to hold is told before the first of them is replaced, so that none is taken for damaged when this
        is cut short; it is begun anew then.

        Raises
        ------
        StoreError
            When it cannot be written.
        """
        try:
            if "extending" in self.about:
                self._replace(resized(self.path, self.about, self.draws))
            files = resized(self.path, self.about, draws)
            digests = {file: digest(content) for file, content in files.items()}
            self.about["extending"] = {"draws": draws, "files": digests}
            self._save_about()
            self._replace(files)
            del self.about["extending"]
            self.about["draws"], self.about["files"] = draws, {**self.about["files"], **digests}
            self._save_about()
        except OSError as error:
            raise StoreError(f"store: {self.path} cannot be written: {error.strerror or error}") from error

    def _replace(self, files: Mapping[str, bytes]) -> None:
        for file, content in files.items():
            replace_file(self.path / file, content)

    def paths(self) -> dict[str, int]:
        """Draws in a block of each variable, by its path."""
        arrays = self.about["arrays"]
        return {f"{group}/{name}": size for group in sampled_groups(self.about) for name, size in arrays[group].items()}

    def arrays(self, group: str) -> dict[str, zarr.Array]:
        """The arrays of a group, to be written to."""
        found = open_group(self.path, group).arrays()
        # a block of zeros is written too, so that one that is gone can be told from one that is zero
        return {name: array.with_config({"write_empty_chunks": True}) for name, array in found}

    # States

    def save_state(self, chain: int, state: Mapping[str, Any]) -> None:
        """Replace what a chain goes on from."""
        write_state(self.state_file(chain), {"store": self.about["id"], "chain": chain, **state})

    def state(self, chain: int) -> dict[str, Any]:
        """What a chain goes on from, as it was last saved.

        Raises
        ------
        StoreError
            When it is not what was saved.
        """
        file = self.state_file(chain)
        try:
            if not file.exists():
                raise ValueError("it is gone")
            if self.about["format"] == 1:
                state = read_state(file, sealed=False)
                check_count(state, self.about)
            else:
                state = read_state(file)
                check_state(state, chain, self.about, self.paths())
        except Exception as error:  # of bytes that make no sense anything may come
            raise StoreError(f"store: the state of chain {chain}, {file}, cannot be used: {error}") from error
        return state

    def states(self) -> tuple[dict[int, dict[str, Any]], dict[int, StoreError]]:
        """What each chain goes on from; and of each whose state is damaged, what is wrong with it."""
        found, lost = {}, {}
        for chain in range(self.chains):
            try:
                found[chain] = self.state(chain)
            except StoreError as error:
                lost[chain] = error
        return found, lost

    def counts(self) -> list[int]:
        """How many draws of each chain are stored, warm-up's too."""
        return [int(self.state(chain).get("count", 0)) for chain in range(self.chains)]

    def glance(self, chain: int) -> int | None:
        """How many draws of a chain are stored, by a file that may be anything, and is not read as a whole."""
        try:
            return int(read_tree(self.state_file(chain)).get("count", 0))
        except Exception:
            return None

    def add_seconds(self, seconds: float) -> None:
        """Add to the time that sampling has taken, where this call has sampled."""
        if not self.token:
            return
        self.about["seconds"] = self.about.get("seconds", 0.0) + seconds
        with suppress(OSError):  # draws are stored by now, and worth more than their time
            self._save_about()

    def tree(self, chains: Sequence[int], length: int) -> xr.DataTree:
        """The first draws, warm-up's too, of some chains; read when they are looked at."""
        return Draws(self.path, self.about, {}).tree(chains, length)


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
    """What a creation that was not finished may have made at `path`, besides the folder of states."""
    try:
        groups = json.loads((path / STATE_FOLDER / _CREATING).read_bytes())
        check_names("group", groups)
    except (OSError, *_UNFIT):
        return []
    return ["zarr.json", *groups]


def _clear(path: Path) -> None:
    """Take away what a creation that was not finished has made at `path`, but for the lock."""
    for name in _begun(path):
        if (path / name).is_dir():
            shutil.rmtree(path / name)
        else:
            (path / name).unlink(missing_ok=True)
    for file in (path / STATE_FOLDER).iterdir():
        if file.name != "lock":
            file.unlink()
