"""Imports run one way, kernels stand alone, and what is imported or edited has no hidden consequences."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pymc_symplectic
from pymc_symplectic.kernels import compile, sources
from pymc_symplectic.native.inlining import SOURCE as INLINING
from pymc_symplectic.native.numba import SOURCE as OF_NUMBA

PACKAGE = Path(pymc_symplectic.__file__).parent
NAME = PACKAGE.name

# From the bottom up: a module may import itself, and the modules of the lines above its own.
LAYERS = [
    ["native"],
    ["checks"],
    ["files", "names", "policy", "threads", "kernels"],
    ["window"],
    ["kinetic", "metrics"],
    ["splits", "refreshments", "trajectories", "differences", "surrogates"],
    ["integrators"],
    ["knowledge"],
    ["settings"],
    ["adaptation"],
    ["target"],
    ["operations"],
    ["starts", "coordinates", "expressions", "densities", "snapshots", "propriety", "statistics", "recorded"],
    ["diagnosis", "stein"],
    ["chain"],
    ["precompile"],
    ["step", "store", "mechanics", "optimize"],
    ["run"],
    ["diagnostics"],
    ["plots"],
    ["__init__"],
]
LAYER = {module: i for i, modules in enumerate(LAYERS) for module in modules}
FILES = {file.relative_to(PACKAGE): file for file in sorted(PACKAGE.rglob("*.py"))}


def module_of(path):
    return path.parts[0].removesuffix(".py")


def imports(path):
    """Full names of the modules that a file imports, anywhere in it; from our own root, of what it takes there."""
    here = [NAME, *path.parent.parts]
    for node in ast.walk(ast.parse(FILES[path].read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) + 1 - node.level] if node.level else []
            module = ".".join([*base, *(node.module.split(".") if node.module else [])])
            if module == NAME:
                yield from (f"{NAME}.{alias.name}" for alias in node.names)
            else:
                yield module


def modules_imported_by(path):
    return {name.split(".")[1] for name in imports(path) if name.startswith(f"{NAME}.")} - {"__version__"}


def outside_imports_of(path):
    return {name.split(".")[0] for name in imports(path)} - {NAME}


def native_imports_of(path):
    """Of which libraries a file uses what stands in `native`."""
    return {name.removeprefix(f"{NAME}.native").lstrip(".") for name in imports(path) if f"{NAME}.native" in name}


def test_every_module_has_its_place_on_the_map():
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text()
    places = {module_of(path) + ("/" if len(path.parts) > 1 else ".py") for path in FILES} - {"__init__.py"}
    inside = {path.name for path in FILES if path.parts[0] == "adaptation"} - {"__init__.py"}
    assert not {name for name in places | inside if f"| `{name}`" not in text}, "name it in CONTRIBUTING.md"


def test_every_module_has_its_layer():
    assert {module_of(path) for path in FILES} <= set(LAYER), "name the new module in LAYERS"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_run_one_way(path):
    module = module_of(path)
    for other in modules_imported_by(path):
        assert other == module or LAYER[other] < LAYER[module], f"{module} imports {other}"


def test_the_reader_of_imports_reads_imports():
    assert "kernels" in modules_imported_by(Path("chain.py"))
    assert modules_imported_by(Path("__init__.py")) >= {"step", "trajectories"}
    assert "compile" not in modules_imported_by(Path("kernels/chain.py"))
    assert "numba" in outside_imports_of(Path("kernels/compile.py"))


def test_every_class_has_a_name_of_its_own():
    """But for the automatic metric, integrator and trajectory, each the same choice in a catalogue of its own."""
    found = [
        node.name if isinstance(node, ast.ClassDef) else node.name.id
        for file in FILES.values()
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef | ast.TypeAlias)
    ]
    assert sorted(name for name in found if found.count(name) > 1) == ["Auto"] * 3


def test_nothing_imports_the_step():
    assert {str(path) for path in FILES if "step" in modules_imported_by(path)} <= {"__init__.py"}


@pytest.mark.parametrize("path", [path for path in FILES if module_of(path) == "kernels"], ids=str)
def test_kernels_stand_alone(path):
    assert modules_imported_by(path) <= {"kernels", "native"}
    assert native_imports_of(path) <= {"inlining", "numba", "numpy"}
    # scipy's triangular solve, in a method that no kernel calls
    assert outside_imports_of(path) - {"scipy"} <= {"numpy", "numba", *sys.stdlib_module_names}


OF_LIBRARIES = {  # a file of `native`, and what it and its imports are of
    "__init__": set(),
    "versions": set(),
    "clock": set(),
    "jax": set(),
    "python": set(),
    "numpy": {"numpy"},
    "inlining": {"numba"},
    "numba": {"clock", "filelock", "inlining", "numba", "numpy"},
    "pytensor": {"numba", "pytensor"},
    "pymc": {"pymc", "rich"},
}


@pytest.mark.parametrize("path", [path for path in FILES if module_of(path) == "native"], ids=str)
def test_what_is_used_of_one_library_needs_few_others(path):
    known = OF_LIBRARIES[path.stem]
    assert outside_imports_of(path) <= {*known, *sys.stdlib_module_names}
    assert native_imports_of(path) <= {*known, "versions"}


@pytest.mark.parametrize(
    "module",
    [
        *(
            "names",
            "policy",
            "window",
            "kinetic",
            "metrics",
            "splits",
            "refreshments",
            "trajectories",
            "differences",
            "integrators",
        ),
        *("settings", "adaptation"),
    ],
)
def test_mathematics_knows_nothing_of_pymc(module):
    for path in FILES:
        if module_of(path) == module:
            known = outside_imports_of(path) | native_imports_of(path)
            assert not known & {"pymc", "pytensor", "arviz"}, path


def test_few_rooms_know_pytensor():
    knowing = {module_of(path) for path in FILES if "pytensor" in outside_imports_of(path) | native_imports_of(path)}
    assert knowing <= {"native", "target", "expressions", "densities", "operations", "optimize"}


def python(code, **environment):
    """The output of a new interpreter that runs `code`."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ | environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_name_is_where_the_package_looks_for_it():
    modules = {module_of(path) for path in FILES}
    assert set(pymc_symplectic.__all__) <= modules | pymc_symplectic._PLACE_OF.keys()
    assert pymc_symplectic._PLACE_OF.keys() <= set(pymc_symplectic.__all__)
    for name, place in pymc_symplectic._PLACE_OF.items():
        found = getattr(pymc_symplectic, name)
        assert found.__module__.startswith(f"{NAME}.{place.split('.')[0]}"), name
    with pytest.raises(AttributeError, match="no attribute 'HMCC'"):
        _ = pymc_symplectic.HMCC
    assert set(pymc_symplectic.__all__) <= set(dir(pymc_symplectic))


def test_nothing_is_imported_before_it_is_asked_for():
    code = f"import pymc, sys; import {NAME}; print(*[m for m in sys.modules if m.startswith('{NAME}.')], 'end')"
    assert python(code, PYTHONPATH=str(PACKAGE.parent)) == "end"
    code = f"import sys; import {NAME} as ps; ps.sample; print(*[m for m in sys.modules if m.startswith('{NAME}.')])"
    loaded = python(code, PYTHONPATH=str(PACKAGE.parent))
    assert not {f"{NAME}.{room}" for room in ("plots", "mechanics", "optimize")} & set(loaded.split())


def test_importing_is_light(tmp_path):
    """It compiles nothing either: an empty cache is how a first start is known, and begun in another process."""
    code = f"""
import sys, pymc
before = set(sys.modules)
import {NAME} as ps
for name in ps.__all__:
    getattr(ps, name)
print(*sorted({{name.split(".")[0] for name in set(sys.modules) - before}}))
from {NAME}.kernels import chain
print(sum(len(entry.signatures) for entry in (chain.advance, chain.evaluate_start, chain.search_step_size)))
from {NAME}.kernels.compile import cache_directory
print(cache_directory)
"""
    added, compiled, cache = python(code, PYTHONPATH=str(PACKAGE.parent), NUMBA_CACHE_DIR=str(tmp_path)).splitlines()
    assert Path(cache).is_relative_to(tmp_path) and not list(tmp_path.rglob("*.nbi"))
    assert not set(added.split()) & {"matplotlib", "sklearn", "nutpie", "blackjax", "arviz_plots"}
    assert compiled == "0"


# Compiled kernels follow their sources.


def test_editing_any_kernel_changes_the_cache(tmp_path):
    folder = tmp_path / "kernels"
    shutil.copytree(PACKAGE / "kernels", folder, ignore=shutil.ignore_patterns("__pycache__"))
    beside = [Path(shutil.copy(source, tmp_path)) for source in (OF_NUMBA, INLINING)]
    original = sources.hash_sources(PACKAGE / "kernels", OF_NUMBA, INLINING)
    assert Path(compile.cache_directory).name in (original, "")
    assert sources.hash_sources(folder, *beside) == original
    for file in [*sorted(folder.rglob("*.py")), *beside]:
        source = file.read_text()
        file.write_text(source + "\n# edited\n")
        assert sources.hash_sources(folder, *beside) != original, file
        file.write_text(source)
    assert sources.hash_sources(folder, *beside) == original


CALLER = """
from .callee import answer
from .compile import kernel

@kernel
def ask():
    return answer()
"""
CALLEE = """
from .compile import helper

@helper
def answer():
    return {}
"""
ASK = """
from copied.kernels.caller import ask
print(ask(), sum(ask.stats.cache_hits.values()))
"""


def test_editing_a_callee_in_another_file_takes_effect(tmp_path):
    # numba looks at the time stamp of the caller's file alone, and would run the old callee from its cache.
    folder = tmp_path / "copied" / "kernels"
    for module in ("kernels", "native"):
        shutil.copytree(PACKAGE / module, folder.parent / module, ignore=shutil.ignore_patterns("__pycache__"))
    (folder.parent / "__init__.py").write_text("")
    (folder / "caller.py").write_text(CALLER)
    environment = {
        "PYTHONPATH": str(tmp_path),
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    seen = []
    for value in (1, 1, 2):
        (folder / "callee.py").write_text(CALLEE.format(value))
        seen.append(python(ASK, **environment))
    assert seen == ["1 0", "1 1", "2 0"]
