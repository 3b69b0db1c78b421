"""Private parts of PyTensor beyond its manual: what compiled functions are made of, and what operations are.

Everything here was seen in PyTensor 3.3.  The classes that are only asked for by `isinstance` are imported here and
named in `__all__`; PyTensor has no page on them.
"""

import dis
import hashlib
import logging
import threading
import warnings
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

import numba

from .numba import is_dispatcher, keep_what_is_kept
from .versions import needed, unfit

with needed("pytensor"):
    from pytensor.compile.mode import get_mode
    from pytensor.compile.ops import FromFunctionOp, ViewOp
    from pytensor.gradient import NullTypeGradError
    from pytensor.graph.op import HasInnerGraph
    from pytensor.link.numba.cache import CACHED_SRC_FUNCTIONS, NUMBA_CACHE_PATH, compile_numba_function_src
    from pytensor.link.numba.linker import NumbaLinker
    from pytensor.raise_op import CheckAndRaise
    from pytensor.scalar.basic import Add, Mul, TrueDiv
    from pytensor.tensor.elemwise import Elemwise
    from pytensor.tensor.random.op import RNGConsumerOp
    from pytensor.tensor.shape import Shape, Shape_i
    from pytensor.tensor.subtensor import AdvancedIncSubtensor, AdvancedSubtensor
    from pytensor.tensor.type import float_dtypes

    _STEPS: dict[type, str] = {
        Add: "sum",
        AdvancedSubtensor: "entries",
        Mul: "product",
        TrueDiv: "quotient",
        ViewOp: "view",
    }

__all__ = [
    "CheckAndRaise",
    "FromFunctionOp",
    "HasInnerGraph",
    "NullTypeGradError",
    "RNGConsumerOp",
    "Shape",
    "Shape_i",
    "compiles_by_numba",
    "float_dtypes",
    "index_places",
    "interprets",
    "is_indexing",
    "is_of_dims",
    "is_of_jax",
    "is_of_tensors",
    "kept_beside",
    "let_numba_call",
    "let_numba_compile",
    "linker_of",
    "machine_code",
    "shared_storage",
    "step_of",
    "storage_of",
    "user_code",
    "with_replaced",
    "within_blocks",
]

_log = logging.getLogger(__name__)

user_code = threading.RLock()
"""Held wherever PyTensor compiles, and wherever a user's own Python may run: operations of a log-density or of a
deterministic variable.

Such code seldom expects two threads at once, though it may let another one run in its midst; and while PyTensor
compiles, the mode stands in its configuration: of two threads that compile at once in different modes, one may leave
its own there for good, and all later models would be compiled in that.  There is one lock for all models, as two of
them may share an operation.
"""

# Compiled functions

# Where PyTensor keeps what numba compiles, for all models and processes of a machine.
keep_what_is_kept(NUMBA_CACHE_PATH)


def compiles_by_numba(mode: Any) -> bool:
    """Whether a mode, or the usual one if it is None, compiles by numba.

    Touches the class ``pytensor.link.numba.linker.NumbaLinker``, and ``Mode.linker``.
    """
    with needed("pytensor"):
        return isinstance(get_mode(mode).linker, NumbaLinker)


def linker_of(function: Any) -> Any:
    """The mode that a function was compiled in.

    Touches ``Function.maker.linker``.
    """
    with needed("pytensor"):
        return function.maker.linker


def machine_code(function: Any, required: bool = False) -> Any:
    """The function that numba has made of a graph, to be called without PyTensor around it; None without numba.

    It takes all inputs, shared ones too, and returns all outputs.

    Touches ``Function.vm.jit_fn``.  Where that is gone, which is logged, there is none, so that the function is called
    through Python, which is slower; unless it is `required`, by other compiled code.
    """
    dispatcher = getattr(getattr(function, "vm", None), "jit_fn", None)
    if is_dispatcher(dispatcher):
        return dispatcher
    if required or isinstance(linker_of(function), NumbaLinker):
        error = unfit("pytensor", "its compiled functions have no vm.jit_fn, by which compiled code calls them")
        if required:
            raise error
        _log.warning("%s", error)
    return None


def shared_storage(function: Any, given: int) -> tuple[list[Any], list[list[Any]]]:
    """Types of the shared variables that a function reads, and lists of one entry, the value of each at any time.

    Parameters
    ----------
    function : pytensor function
    given : int
        How many arguments it takes; shared variables follow them.

    Notes
    -----
    Touches ``Function.input_storage``, ``Container.storage`` and ``Function.maker.fgraph.inputs``.
    ``SharedVariable.get_value`` is for variables, and after optimisation a function may read others than a graph has.
    """
    with needed("pytensor"):
        types = [variable.type for variable in function.maker.fgraph.inputs[given:]]
        return types, [container.storage for container in function.input_storage[given:]]


def storage_of(variable: Any) -> list[Any]:
    """The list of one entry that has the value of a shared variable, one of those that `shared_storage` finds.

    Touches ``SharedVariable.container.storage``.
    """
    with needed("pytensor"):
        storage: list[Any] = variable.container.storage
        return storage


_ADDRESS_OF_SCIPY = "pytensor.link.numba.dispatch.scalar", "get_ptr_func"


def interprets(dispatcher: Any) -> bool:
    """Whether machine code goes back into the interpreter somewhere (`numba.objmode`), for what numba cannot compile.

    Functions of ``scipy.special`` do so once, for an address that they keep, which does not count: so do those of
    NegativeBinomial and StudentT.

    Touches how PyTensor writes the functions that numba compiles: in Python, where one calls another by a global name
    or from a closure, and ``objmode`` by its name; and ``get_ptr_func`` of its dispatch of scalars, by its name.
    PyTensor tells of it by a warning too, but warnings get lost where another thread looks for its own.
    """
    seen: set[int] = set()
    queue = [dispatcher]
    while queue:
        python = getattr(current := queue.pop(), "py_func", current)
        if id(python) in seen or not isinstance(python, FunctionType):
            continue
        seen.add(id(python))
        if "objmode" in python.__code__.co_names:
            if (python.__module__, python.__name__) == _ADDRESS_OF_SCIPY:
                continue
            return True
        # by names of globals alone: an attribute may have the name of something that has nothing to do with it
        called = {step.argval for step in dis.get_instructions(python) if step.opname == "LOAD_GLOBAL"}
        queue += [python.__globals__[name] for name in called if name in python.__globals__]
        queue += [cell.cell_contents for cell in python.__closure__ or ()]
    return False


def kept_beside(raw: Any, source: str, name: str, names: dict[str, Any]) -> tuple[Any, bool]:
    """The function `name` of a source, which calls machine code of PyTensor's; and whether numba will keep it on disk.

    It is kept where PyTensor keeps what it calls, by the key of that and by its own source, if that is kept at all.

    Parameters
    ----------
    raw : numba dispatcher
        The machine code, as `machine_code` gives it.
    source, name : str
    names : dict
        What names in the source stand for.  Of all but `raw` the source has to tell, as it makes the key.

    Notes
    -----
    Touches ``CACHED_SRC_FUNCTIONS``, the keys of functions that PyTensor keeps, and ``compile_numba_function_src``.
    """
    with needed("pytensor"):
        known = CACHED_SRC_FUNCTIONS.get(raw.py_func)
        key = None if known is None else hashlib.sha256(f"{known} {numba.__version__} {source}".encode()).hexdigest()
        # numba imports the module that a function says it is from, where it finds the function on disk
        names = {"__name__": __name__, **names}
        return compile_numba_function_src(source, name, names, cache_key=key), key is not None


def let_numba_compile(kind: type, function_of: Callable[[Any], Callable[..., Any]]) -> None:
    """Have operations of a class compiled by numba as the function of their inputs that ``function_of(op)`` returns.

    Touches ``numba_funcify``, by which PyTensor finds what an operation is compiled as, and ``numba_njit``.
    """
    with needed("pytensor"):  # slow to import
        from pytensor.link.numba.dispatch.basic import numba_funcify, numba_njit

    def compiled(op: Any, **_: Any) -> Any:
        return numba_njit(function_of(op))

    numba_funcify.register(kind)(compiled)


def let_numba_call(kind: type) -> None:
    """Have compiled code call operations of a class through Python, without a warning that it does.

    Touches ``numba_funcify`` and ``generate_fallback_impl``, which is what any operation of a user's own comes to.
    """
    with needed("pytensor"):  # slow to import
        from pytensor.link.numba.dispatch.basic import generate_fallback_impl, numba_funcify

    def called(op: Any, node: Any = None, **rest: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return generate_fallback_impl(op, node, **rest)

    numba_funcify.register(kind)(called)


# Graphs


def with_replaced(graph: Any, old: Any, new: Any) -> Any:
    """A graph in which a variable is replaced by another; what does not depend on it is shared with the old one.

    Touches ``graph_replace``; ``clone_replace``, which has a page in PyTensor's manual, copies everything.
    """
    with needed("pytensor"):
        from pytensor.graph.replace import graph_replace
    return graph_replace(graph, {old: new}, strict=False)


# Operations

_INDEXING = (AdvancedSubtensor, AdvancedIncSubtensor)


def is_indexing(op: Any) -> bool:
    """Whether an operation reads, or writes to, entries of an array by other arrays.

    Touches the classes ``AdvancedSubtensor`` and ``AdvancedIncSubtensor``.
    """
    return isinstance(op, _INDEXING)


def step_of(node: Any) -> str:
    """What a node makes of arrays: a ``"product"``, ``"quotient"``, ``"sum"``, ``"view"``, ``"entries"``; else "".

    Entries are those at other arrays.  Touches ``Elemwise.scalar_op``, and the classes ``Mul``, ``TrueDiv``, ``Add``,
    ``ViewOp`` and ``AdvancedSubtensor``.
    """
    with needed("pytensor"):
        return _STEPS.get(type(node.op.scalar_op if isinstance(node.op, Elemwise) else node.op), "")


def index_places(node: Any) -> Sequence[slice | int]:
    """How a node that `is_indexing` indexes each axis: by a slice, or by the input of this number.

    Touches ``op.idx_list``, whose integers count what follows the array, and what is written to it.
    """
    with needed("pytensor"):
        first = 1 if isinstance(node.op, AdvancedSubtensor) else 2
        return [entry if isinstance(entry, slice) else first + entry for entry in node.op.idx_list]


def within_blocks(op: Any) -> Any:
    """The operation that is applied to each block of its inputs; of any other, the operation itself.

    Touches ``Blockwise.core_op``.
    """
    return getattr(op, "core_op", op)


def is_of_jax(thing: Any) -> bool:
    """Whether a linker or an operation calls JAX.

    Touches the place of what does, ``pytensor.link.jax``.
    """
    return type(thing).__module__.startswith("pytensor.link.jax")


def is_of_dims(op: Any) -> bool:
    """Whether an operation is one of `pymc.dims`, on arrays with named dimensions.

    Touches their place, ``pytensor.xtensor``.
    """
    return type(op).__module__.startswith("pytensor.xtensor.")


def is_of_tensors(op: Any) -> bool:
    """Whether an operation is one of PyTensor's own, on arrays.

    Touches their place, ``pytensor.tensor``.
    """
    return type(op).__module__.startswith("pytensor.tensor.")
