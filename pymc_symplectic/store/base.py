"""Runs on disk: draws and statistics as a zarr hierarchy that xarray opens, and beside them the state of each chain.

A store is a directory.  Its groups are those of the DataTree that sampling returns; ``.run`` holds one JSON file that
says of what model and with what options it is, a lock, and for each chain one file of arrays from which it goes on.
Everything is arrays or JSON, so that opening a store runs no code.

A block is committed by writing its draws, and then the state that follows them.  Each file is replaced as a whole, so a
process may be killed at any instant: draws beyond the count of the state do not count, and are made again.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import xarray as xr

from .files import read_state, replace_file, write_state

if TYPE_CHECKING:
    import zarr

__all__ = ["FORMAT", "SAMPLED", "Damage", "Store", "StoreError"]

FORMAT = 1
_STATE_FOLDER = ".run"
SAMPLED = {"posterior": False, "sample_stats": False, "warmup_posterior": True, "warmup_sample_stats": True}
"""Groups with a draw dimension, and whether their draws are of warm-up."""
_NEEDED = ("version", "chains", "tune", "draws", "keep_warmup", "var_names", "options", "model", "start", "arrays")
_CHUNK_BYTES, _CHUNK_DRAWS = 2**20, 10_000


class StoreError(RuntimeError):
    """A store that cannot be written, gone on with, or read."""


class Damage(NamedTuple):
    """A block of draws that cannot be read."""

    group: str
    variable: str
    chain: int
    first: int
    end: int

    def __str__(self) -> str:
        return f"{self.group}/{self.variable}, chain {self.chain}, draws {self.first} to {self.end - 1}"


def _zarr() -> Any:
    try:
        import filelock  # noqa: F401
        import zarr
    except ImportError as error:
        raise ImportError(f"store= needs zarr and filelock: pip install 'pymc-symplectic[store]' ({error})") from error
    return zarr


class Store:
    """One run on disk.

    Made by `Store.create`, or from a path by `Store.open`.

    Attributes
    ----------
    path : pathlib.Path
    about : dict
        What the run is: its options, model, and sizes, as JSON has them.
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
            Where nothing is yet, or an empty directory.
        about : dict
            What `about` is to be; JSON.
        template : DataTree
            The result of a run of any number of draws, from which groups, names, dimensions and dtypes are taken.
        states : sequence of dict
            What each chain begins from.
        """
        _zarr()
        path = path.absolute()
        scratch = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.partial")  # so that there is no half a store
        try:
            scratch.mkdir(parents=True)
            store = cls(scratch, {"format": FORMAT, **about})
            store._layout(template)
            (scratch / _STATE_FOLDER).mkdir()
            for chain, state in enumerate(states):
                store.save_state(chain, state)
            store._save_about()
            scratch.rename(path)
        except OSError as error:
            raise StoreError(f"store: {path} cannot be made: {error.strerror or error}") from error
        except (TypeError, ValueError) as error:
            odd = [name for name, values in template["posterior"].coords.items() if values.dtype == object]
            raise StoreError(f"store: coordinates {', '.join(map(str, odd))} cannot be stored: {error}") from error
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        store.path = path
        return store

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """A store that is there already.

        Raises
        ------
        FileNotFoundError
            When there is nothing at `path`.
        StoreError
            When what is there is a file, another kind of directory, half a store, or of another version.
        """
        path = Path(path)
        if not path.exists():
            raise FileNotFoundError(f"store: there is nothing at {path}")
        if not path.is_dir():
            raise StoreError(f"store: {path} is a file; a store is a directory, so give another name")
        file = path / _STATE_FOLDER / "run.json"
        if not file.exists():
            missing = f"it has no {_STATE_FOLDER}/run.json"
            raise StoreError(f"store: {path} is not a whole store of this package: {missing}; give another name")
        try:
            about = json.loads(file.read_text())
            found = about["format"]
            lacking = [key for key in _NEEDED if found == FORMAT and key not in about]
            if lacking:
                raise ValueError(f"it lacks {', '.join(lacking)}")
        except (ValueError, TypeError, KeyError) as error:
            raise StoreError(f"store: {file} is damaged ({error}); its draws can still be read by xarray") from error
        if found != FORMAT:
            raise StoreError(
                f"store: {path} has format {found}, and this version of pymc_symplectic reads format {FORMAT}; use the "
                f"version that made it ({about.get('version', 'unknown')}), or give another name"
            )
        store = cls(path, about)
        store._check_whole()
        return store

    def _check_whole(self) -> None:
        missing = [group for group in self.groups() if not (self.path / group).is_dir()]
        states = map(self._state_file, range(self.chains))
        missing += [f"{_STATE_FOLDER}/{file.name}" for file in states if not file.exists()]
        for group in self.groups():
            arrays = self.about["arrays"][group]
            missing += [f"{group}/{name}" for name in arrays if not (self.path / group / name / "zarr.json").exists()]
        if missing:
            raise StoreError(f"store: {self.path} is not whole, it lacks {', '.join(missing)}; give another name")

    def groups(self) -> list[str]:
        """Names of the groups that have draws."""
        return [group for group, warmup in SAMPLED.items() if not warmup or (self.about["keep_warmup"] and self.tune)]

    def _state_file(self, chain: int) -> Path:
        return self.path / _STATE_FOLDER / f"chain-{chain}.npz"

    def _save_about(self) -> None:
        replace_file(self.path / _STATE_FOLDER / "run.json", json.dumps(self.about, indent=1).encode())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the store for writing.

        Raises
        ------
        StoreError
            When another run does, in this process or another.
        """
        _zarr()
        from filelock import FileLock, Timeout

        lock = FileLock(self.path / _STATE_FOLDER / "lock", is_singleton=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise StoreError(
                f"store: another run is writing to {self.path}; wait for it, or give another name"
            ) from None
        except OSError as error:
            raise StoreError(f"store: {self.path} cannot be written: {error.strerror or error}") from error
        try:
            self.about = Store.open(self.path).about  # another run may have extended it in between
            self.token = uuid.uuid4().hex
            replace_file(self._owner, self.token.encode())
            yield
        finally:
            with suppress(OSError):
                self._owner.unlink(missing_ok=True)  # tasks that are still running elsewhere stop at their next commit
            lock.release()

    @property
    def _owner(self) -> Path:
        return self.path / _STATE_FOLDER / "owner"

    def check_owner(self, token: str) -> None:
        """Raise a StoreError unless the call that holds the store is the one with this `token`."""
        if not self._owner.exists() or self._owner.read_text() != token:
            raise StoreError(f"store: the run that was writing to {self.path} has ended, or another has taken over")

    # Layout

    def _layout(self, template: xr.DataTree) -> None:
        """Write all groups, those with draws empty."""
        zarr = _zarr()
        zarr.open_group(self.path, mode="w", zarr_format=3)
        for name, group in template.children.items():
            data = group.to_dataset()
            if name in SAMPLED:
                self.about.setdefault("arrays", {})[name] = [str(key) for key in data.data_vars]
            if name not in SAMPLED:
                data.to_zarr(self.path, group=name, mode="w", zarr_format=3, consolidated=False)
            elif name in self.groups():
                self._lay_out_group(name, data)
        self._consolidate()

    def _length(self, group: str) -> int:
        return self.tune if SAMPLED[group] else self.draws

    def _lay_out_group(self, name: str, data: xr.Dataset) -> None:
        length = self._length(name)
        sizes = {"chain": self.chains, "draw": length}
        coords = data.coords.to_dataset().drop_vars(["chain", "draw"], errors="ignore")
        coords = coords.assign_coords({dim: np.arange(size) for dim, size in sizes.items()})
        coords.assign_attrs(data.attrs).to_zarr(self.path, group=name, mode="w", zarr_format=3, consolidated=False)
        group = _zarr().open_group(self.path / name, mode="r+")
        for key, variable in data.data_vars.items():
            event = variable.shape[2:]
            size = variable.dtype.itemsize * int(np.prod(event, dtype=int))
            chunk = int(np.clip(_CHUNK_BYTES // max(size, 1), 1, min(_CHUNK_DRAWS, length)))
            group.create_array(
                str(key),
                shape=(self.chains, length, *event),
                chunks=(1, chunk, *(max(n, 1) for n in event)),
                dtype=variable.dtype,
                fill_value=np.nan if variable.dtype.kind == "f" else 0,
                compressors=[_zarr().codecs.ZstdCodec(level=1, checksum=True)],
                dimension_names=[str(dim) for dim in variable.dims],
                attributes=dict(variable.attrs),
            )

    def _consolidate(self) -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Consolidated metadata", UserWarning)
            warnings.filterwarnings("ignore", f"Object at {re.escape(_STATE_FOLDER)} is not", UserWarning)
            _zarr().consolidate_metadata(str(self.path), zarr_format=3)

    def extend(self, draws: int) -> None:
        """Make room for more draws of each chain.

        Raises
        ------
        StoreError
            When it cannot be written.
        """
        try:
            self._resize(draws)
            self._consolidate()
            self.about["draws"] = draws
            self._save_about()  # last, so that what is cut short here is done again
        except OSError as error:
            raise StoreError(f"store: {self.path} cannot be written: {error.strerror or error}") from error

    def _resize(self, draws: int) -> None:
        for name in self.groups():
            if SAMPLED[name]:
                continue
            group = _zarr().open_group(self.path / name, mode="r+")
            for key, array in group.arrays():
                if key == "draw":
                    array.resize((draws,))
                    array[:] = np.arange(draws)
                elif array.metadata.dimension_names[:2] == ("chain", "draw"):
                    array.resize((array.shape[0], draws, *array.shape[2:]))

    def arrays(self, group: str) -> dict[str, zarr.Array]:
        """The arrays of a group, to be written to."""
        found = _zarr().open_group(self.path / group, mode="r+").arrays()
        # a block of zeros is written too, so that one that is gone can be told from one that is zero
        return {name: array.with_config({"write_empty_chunks": True}) for name, array in found}

    # States

    def save_state(self, chain: int, state: Mapping[str, Any]) -> None:
        """Replace what a chain goes on from."""
        write_state(self._state_file(chain), state)

    def state(self, chain: int) -> dict[str, Any]:
        """What a chain goes on from, as it was last saved."""
        file = self._state_file(chain)
        try:
            return read_state(file)
        except Exception as error:
            raise StoreError(f"store: the state of chain {chain}, {file}, cannot be read: {error}") from error

    def count(self, chain: int) -> int:
        """How many draws of a chain are stored, warm-up's too."""
        file = self._state_file(chain)
        try:
            return int(read_state(file, arrays=False).get("count", 0))
        except Exception as error:
            raise StoreError(f"store: the state of chain {chain}, {file}, cannot be read: {error}") from error

    def counts(self) -> list[int]:
        """How many draws of each chain are stored."""
        return [self.count(chain) for chain in range(self.chains)]

    def add_seconds(self, seconds: float) -> None:
        """Add to the time that sampling has taken."""
        self.about["seconds"] = self.about.get("seconds", 0.0) + seconds
        with suppress(OSError):  # draws are stored by now, and worth more than their time
            self._save_about()

    # Reading

    def tree(self, chains: Sequence[int], length: int) -> xr.DataTree:
        """The first draws, warm-up's too, of some chains; read when they are looked at."""
        whole = xr.open_datatree(self.path, engine="zarr", chunks=None, consolidated=True)
        parts = {}
        for name, group in whole.children.items():
            data = group.to_dataset()
            if name in SAMPLED:
                kept = min(length, self.tune) if SAMPLED[name] else length - self.tune
                if kept <= 0:
                    continue
                data = data.isel(draw=slice(0, kept))
                if list(chains) != list(range(self.chains)):
                    data = data.isel(chain=list(chains))
                data.attrs |= {"sampling_time": self.about.get("seconds", 0.0), "tuning_steps": self.tune}
            parts[f"/{name}"] = data
        return xr.DataTree.from_dict(parts)

    def blocks(self) -> Iterator[tuple[Damage, zarr.Array]]:
        """All blocks that hold draws."""
        counts = self.counts()
        for name in self.groups():
            group = _zarr().open_group(self.path / name, mode="r")
            for key, array in group.arrays():
                if array.metadata.dimension_names[:2] != ("chain", "draw") or not array.size:
                    continue
                for chain, count in enumerate(counts):
                    kept = min(count, self.tune) if SAMPLED[name] else count - self.tune
                    for first in range(0, kept, array.chunks[1]):
                        yield Damage(name, key, chain, first, min(first + array.chunks[1], kept)), array

    def damage(self) -> list[Damage]:
        """Blocks that cannot be read; all of them are, to find out."""
        bad = []
        for block, array in self.blocks():
            chunk = "/".join(map(str, [block.chain, block.first // array.chunks[1], *[0] * (array.ndim - 2)]))
            try:
                if not (self.path / block.group / block.variable / "c" / chunk).exists():
                    raise FileNotFoundError(chunk)  # which zarr would take for zeros
                array[block.chain, block.first : block.end]
            except Exception:  # what a codec raises of bytes that make no sense is anybody's guess
                bad.append(block)
        return bad
