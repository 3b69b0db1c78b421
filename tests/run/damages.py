"""Ways to damage a store, and whether what is read of it is reported, or right."""

import json
import re
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import pymc_symplectic as ps

LIVE = ("lock", "owner")


@dataclass(frozen=True)
class Harm:
    """One damage to one file, by its path in the store."""

    file: str
    kind: str
    seed: int

    def __call__(self, path):
        """Do it to the store at `path`."""
        rng = np.random.default_rng(self.seed)
        KINDS[self.kind](path / self.file, rng)


def _flip(file, rng):
    data = bytearray(file.read_bytes())
    data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    file.write_bytes(bytes(data))


def _cut(file, rng):
    data = file.read_bytes()
    file.write_bytes(data[: rng.integers(1, max(len(data), 2))])


def _noise(file, rng):
    file.write_bytes(rng.bytes(file.stat().st_size))


def _folder(file, rng):
    file.unlink()
    file.mkdir()


def _exchange(file, rng):
    """With another file of the same name or kind, such as a block of another chain."""
    root = file
    while not (root / ".run").is_dir():
        root = root.parent
    peers = [
        other
        for other in sorted(root.rglob("*"))
        if other.is_file() and other != file and other.suffix == file.suffix and other.name not in LIVE
        if other.read_bytes() != file.read_bytes()
    ]
    near = [other for other in peers if _kind(other, root) == _kind(file, root)] or peers
    other = near[rng.integers(len(near))]
    mine, theirs = file.read_bytes(), other.read_bytes()
    file.write_bytes(theirs)
    other.write_bytes(mine)


def _kind(file, root):
    parts = file.relative_to(root).parts
    return [part for i, part in enumerate(parts) if i != 3]  # the same variable of another chain


NUMBERS = (-1, 0, 1, 3, 10**9, 10**12, float("nan"), float("inf"), "text", None, [], {}, True)


def _edit(file, rng):
    """Change one number or word of JSON, or of the JSON in a state, and write it as anybody would."""
    if file.suffix == ".npz":
        with np.load(file) as found:
            arrays = {name: found[name] for name in found}
        tree = json.loads(arrays["json"].tobytes())
        if rng.random() < 0.4:  # an array of another shape, or with other numbers
            name = sorted(set(arrays) - {"json"})[rng.integers(len(arrays) - 1)]
            array = arrays[name]
            arrays[name] = array[..., :-1] if array.size and rng.random() < 0.5 else array * 0 + 7
        else:
            change(tree, rng)
        arrays["json"] = np.frombuffer(json.dumps(tree).encode(), np.uint8)
        np.savez(file.with_suffix(".new.npz"), **arrays)
        file.with_suffix(".new.npz").replace(file)
    else:
        tree = json.loads(file.read_text())
        change(tree, rng)
        file.write_text(json.dumps(tree))


def change(tree, rng):
    """Change one leaf of a nest of dictionaries and lists to something else."""
    leaves = []

    def walk(node):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            leaves.append((node, key))
            if isinstance(value, dict | list):
                walk(value)

    walk(tree)
    node, key = leaves[rng.integers(len(leaves))]
    new = NUMBERS[rng.integers(len(NUMBERS))]
    if repr(new) == repr(node[key]):
        new = "another"
    node[key] = new


KINDS = {
    "flip": _flip,
    "cut": _cut,
    "emptied": lambda file, _: file.write_bytes(b""),
    "gone": lambda file, _: file.unlink(),
    "noise": _noise,
    "folder": _folder,
    "exchange": _exchange,
    "edit": _edit,
}


def harms(path, rng):
    """Every kind of damage to every file; to some, several times."""
    made = []
    for file in sorted(path.rglob("*")):
        if not file.is_file() or file.name in LIVE:
            continue
        name = file.relative_to(path).as_posix()
        kinds = [kind for kind in KINDS if kind != "edit" or file.suffix in (".json", ".npz")]
        many = {"flip": 4, "edit": 12} if name.startswith(".run") else {}
        made += [Harm(name, kind, int(rng.integers(2**30))) for kind in kinds for _ in range(many.get(kind, 1))]
    return made


def outcome(call, expected):
    """The outcome of reading a damaged store: "reported", "right", or "partly" both; or "raw" and "wrong"."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            tree = call().load()
        except (ps.StoreError, FileNotFoundError) as error:
            return "reported", str(error)
        except Exception as error:
            return "raw", f"{type(error).__name__}: {error}"
    reported = "; ".join(
        str(warning.message) for warning in heard if re.search("damaged|cannot be read", str(warning.message))
    )
    try:
        return _compare(tree, expected, reported)
    except Exception as error:
        return "wrong", f"it is built in another way: {error}"


def _compare(tree, expected, reported):
    partly = False
    for name, group in expected.children.items():
        if name not in tree.children:
            return ("wrong", f"{name} is gone") if not reported else ("partly", reported)
        for key in group.to_dataset().variables:
            if key not in tree[name].variables:
                if key not in reported:
                    return "wrong", f"{name}/{key} is gone"
                partly = True
                continue
            chains, draws = tree[name].get("chain"), tree[name].sizes.get("draw")
            due = group.to_dataset().variables[key]
            if "chain" in due.dims:
                due = due.isel(chain=chains.values)
            if "draw" in due.dims:
                due = due.isel(draw=slice(0, draws))
            found = tree[name].to_dataset().variables[key]
            if found.shape != due.shape:
                return "wrong", f"{name}/{key} has shape {found.shape}"
            one, two = found.values, due.values
            same = (one == two) | ((one != one) & (two != two))
            if not np.all(same):
                blank = (one != one) if one.dtype.kind == "f" else (one == 0)
                if not (np.all(same | blank) and f"{name}/{key}" in reported):
                    return "wrong", f"{name}/{key} differs: {reported}"
                partly = True
        if "chain" in tree[name].sizes and tree[name].sizes["chain"] < group.sizes["chain"]:
            if "chain" not in reported:
                return "wrong", "chains are gone"
            partly = True
    return ("partly" if partly else "right"), reported


def try_all(store, made, call, expected, scratch: Path):
    """The outcome of each damage to a copy of a store."""
    found = []
    for place, harm in enumerate(made):
        path = shutil.copytree(store, scratch / f"{place}.zarr")
        harm(path)
        found.append((harm, *outcome(lambda path=path: call(path), expected)))
        shutil.rmtree(path)
    return found
