"""The package uses private names of other libraries in `native` alone, where each has a function and a test."""

import ast
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
from pathlib import Path

import pytest

import pymc_symplectic

PACKAGE = Path(pymc_symplectic.__file__).parent
NAME = PACKAGE.name
FILES = {
    file.relative_to(PACKAGE): file
    for file in sorted(PACKAGE.rglob("*.py"))
    if file.relative_to(PACKAGE).parts[0] != "native"
}

DOCUMENTED = {
    "numba": {"numba", "numba.types", "numba.extending"},
    "pytensor": {
        "pytensor",
        "pytensor.compile.mode",
        "pytensor.compile.sharedvalue.SharedVariable",
        "pytensor.graph.basic",
        "pytensor.graph.op.Op",
        "pytensor.graph.replace.clone_replace",
        "pytensor.graph.rewriting.db.RewriteDatabaseQuery",
        "pytensor.graph.traversal",
        "pytensor.tensor",
        "pytensor.tensor.random.type.RandomGeneratorType",
        "pytensor.tensor.type.TensorType",
    },
    "pymc": {
        "pymc",
        "pymc.distributions.transforms",
        "pymc.exceptions",
        "pymc.pytensorf.compile",
        "pymc.pytensorf.inputvars",
        "pymc.pytensorf.join_nonshared_inputs",
        "pymc.stats",
        "pymc.variational.updates",
    },
}
"""Of libraries whose modules are mostly their own affair: what may be imported, modules with the names in them."""

UNDOCUMENTED = {
    *("vm", "jit_fn", "maker", "fgraph", "input_storage", "container", "core_op", "idx_list"),  # of PyTensor
    *("rv_op", "dist_params"),  # of PyMC
    *("cpu_target", "target_context", "typing_context", "targetoptions", "cache_path", "cache_hits"),  # of numba
    *("get_call_template", "instance_class", "c_addr", "jit_addr", "meminfo", "CACHE_DIR"),
}
"""Attributes without an underscore that no manual has, and that nothing else is called by."""

OF_PYTHON = {"_asdict", "_fields", "_make", "_replace"}  # of named tuples
OF_PROTOCOLS = {"_repr_html_"}  # which notebooks ask any object for


def is_private(name):
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__")) and name != "_"


def defined_in(tree):
    """Private names that a file defines: functions, classes, attributes of its objects and classes."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and of_itself(node):
            found.add(node.attr)
    return {name for name in found if is_private(name)}


def of_itself(node):
    return isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")


OWN = set.union(*(defined_in(ast.parse(file.read_text())) for file in FILES.values()))


def is_foreign(module):
    return module.split(".")[0] not in {NAME, *sys.stdlib_module_names}


def is_documented(module, name=None):
    library = module.split(".")[0]
    if any(map(is_private, module.split("."))) or (name and is_private(name)):
        return False
    allowed = DOCUMENTED.get(library)
    return allowed is None or module in allowed or f"{module}.{name}" in allowed


def root_of(node):
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def uses(source):
    """Private names of other libraries that some code uses, each as it stands there."""
    tree, modules, found = ast.parse(source), set(), []
    own = defined_in(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if not is_documented(alias.name) or alias.name.split(".")[0] == "mock" or alias.name == "unittest.mock":
                    found.append((node, alias.name))
                modules.add((alias.asname or alias.name).split(".")[0])
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if not is_documented(node.module, alias.name) or "mock" in whole.split("."):
                    found.append((node, whole))
                if is_foreign(node.module):
                    modules.add(alias.asname or alias.name)
    words = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    words |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            known = own | OWN if of_itself(node) or isinstance(node.value, ast.Call) else own
            private = is_private(node.attr) and node.attr not in known | OF_PYTHON | OF_PROTOCOLS
            replaced = isinstance(node.ctx, ast.Store) and (root_of(node) in modules or node.attr == "__class__")
            if private or replaced or node.attr in UNDOCUMENTED:
                found.append((node, ast.unparse(node)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in words:
            dotted = re.fullmatch(r"\w+(\.\w+)+", node.value) and any(map(is_private, node.value.split(".")))
            private = re.fullmatch(r"_[a-z]\w*[a-z]", node.value) and node.value not in OWN | own | OF_PYTHON
            if dotted or (private and not node.value.startswith("__")) or node.value in UNDOCUMENTED:
                found.append((node, repr(node.value)))
        elif isinstance(node, ast.keyword) and node.arg and is_private(node.arg):
            found.append((node, f"{node.arg}="))
        elif isinstance(node, ast.Call) and root_of(node.func) in ("setattr", "delattr"):
            found += [(node, ast.unparse(node))] if root_of(node.args[0]) in modules else []
    return [f"line {node.lineno}: {text}" for node, text in found]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_no_private_names_but_in_native(path):
    found = uses(FILES[path].read_text())
    assert not found, f"put these behind functions in native/, with a test in tests/native/test_canary.py: {found}"


@pytest.mark.parametrize(
    "fault",
    [
        "import numba.core.registry",
        "from numba.core import cgutils",
        "from numba.np.numpy_support import from_dtype",
        "from pymc.sampling.mcmc import _sample_many",
        "from pymc.stats.convergence import log_warnings",
        "from pymc.pytensorf import rewrite_pregrad",
        "import pytensor.link.numba.dispatch.basic",
        "from pytensor.tensor.type import float_dtypes",
        "from numpy._core import umath",
        "import xarray._something as x",
        "from unittest.mock import patch",
        "import unittest.mock",
        "from unittest import mock",
        "import mock",
        "import numba\nnumba.config._reload()",
        "import numba\nnumba.config.DEBUG = 1",
        "import numba\nnumba.njit(f, _nrt=False)",
        "options = {'_nrt': False}",
        "import numpy as np\nnp.exp = None",
        "import pymc as pm\nsetattr(pm, 'sample', None)",
        "def f(x):\n    x.__class__ = int",
        "def f(function):\n    return function.vm.jit_fn",
        "def f(function):\n    return getattr(function, 'jit_fn', None)",
        "def f(first):\n    return getattr(first, 'instance_class', None)",
        "def f(manager):\n    return manager._create_backend()",
        "class A(B):\n    def f(self):\n        return self._create_backend()",
        "class A(B):\n    def f(self):\n        return super()._create_backend()",
        "import sys\nsys.modules.get('jax._src.xla_bridge')",
        "def f():\n    from pymc import _version",
    ],
)
def test_a_private_name_is_found(fault):
    """Put anywhere into a file of the package, it fails the test above."""
    assert uses(FILES[Path("chain.py")].read_text() + "\n" + fault)


@pytest.mark.parametrize(
    "code",
    [
        '"""Of `numba.core._internal`, and \'_nrt\'."""',
        "from collections import namedtuple\nnamedtuple('a', 'b')(1)._replace(b=2)._asdict()",
        "class A:\n    def __init__(self):\n        self._x = 1\n\n\ndef f(a):\n    return a._x, a.__class__",
        "import numpy as np\na = np.zeros(3)\na[0] = 1.0\na.shape = (3, 1)",
        "import numba\nfrom numba.extending import overload\nnumba.njit(f, error_model='numpy')",
        "name = f'{x}_dim_{i}'",
    ],
)
def test_what_is_nobodys_secret_passes(code):
    assert not uses(code)


# Classes of ours that are built on others' override names without saying that they are private.


def classes():
    for module in pkgutil.walk_packages([str(PACKAGE)], f"{NAME}."):
        if module.name != f"{NAME}.native" and not module.name.startswith(f"{NAME}.native."):
            for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                if kind.__module__ == module.name:
                    yield kind


def private_names(kind):
    """Names that a class gives to its attributes and to those of its objects."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    except (OSError, TypeError, SyntaxError):  # of what is made by a call, or compiled
        return {name for name in vars(kind) if is_private(name)}
    return defined_in(tree)


def overridden(kind):
    """Private names of classes of other libraries that a class of ours gives another meaning."""
    others = {
        base
        for base in kind.__mro__
        if is_foreign(base.__module__) and not base.__module__.startswith(("typing_extensions", "_"))
    }
    return private_names(kind) & set().union(*map(private_names, others)) - OF_PROTOCOLS


def test_no_private_name_of_a_base_class_is_overridden():
    assert {kind.__name__ for kind in classes()} >= {"HMC", "Bars", "Chain", "LogDensity"}
    found = {kind.__qualname__: names for kind in classes() if (names := overridden(kind))}
    assert not found, f"move these into a class in native/: {found}"


def test_an_override_is_found():
    from pymc.progress_bar import ProgressBarManager
    from pymc.step_methods.compound import BlockedStep

    class Bars(ProgressBarManager):
        def update(self):
            self._backend = None

    class Step(BlockedStep):
        _state_class = None

        @staticmethod
        def _progressbar_config(n_chains=1):
            return [], {}

    assert overridden(Bars) == {"_backend"}
    assert overridden(Step) == {"_state_class", "_progressbar_config"}
