"""Private parts of numba beyond its manual: in kernels, in their cache, and around machine code of PyTensor's.

Everything here was seen in numba 0.61 to 0.68, unless a docstring says otherwise.
"""

import hashlib
import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import numba
import numpy as np
from filelock import FileLock, Timeout
from numba import types
from numba.extending import intrinsic

from .clock import compile_clock
from .inlining import set_environments
from .numpy import DRAWING
from .versions import needed

with needed("numba"):
    from numba.core import cgutils
    from numba.core.caching import FunctionCache, IndexDataCacheFile
    from numba.core.compiler_lock import global_compiler_lock
    from numba.core.cpu import CPUContext
    from numba.core.dispatcher import Dispatcher
    from numba.core.errors import NumbaError
    from numba.core.registry import CPUTarget, cpu_target
    from numba.core.typing import Context

__all__ = [
    "SOURCE",
    "FunctionCache",
    "NumbaError",
    "cache_in",
    "class_of",
    "compile_for",
    "compiled_once",
    "entry_point",
    "from_cache",
    "function_at",
    "generator_from",
    "is_dispatcher",
    "keep_in",
    "keep_what_is_kept",
    "one_process",
    "own_contexts",
    "pointer_at",
    "recompiled",
    "silent_about_the_cache",
    "without_counting",
]

_log = logging.getLogger(__name__)
_PATIENCE = 600.0  # seconds, and then a function is compiled all the same
_OF_INDICES = ("_data_name", "_load_index", "_save_data", "_save_index")
SOURCE = Path(__file__)
"""This file, whose code is compiled into kernels."""

# Options


def without_counting() -> dict[str, bool]:
    """The option by which compiled code allocates nothing, and counts no references.

    For small models the atomic counting would cost several times the arithmetic.

    Touches the option ``_nrt`` of numba's decorators, which its manual for developers mentions.  Without it references
    are counted: the numbers are the same, and a draw takes longer.
    """
    if hasattr(CPUTarget.options, "_nrt"):
        return {"_nrt": False}
    _log.warning("numba %s has no option _nrt, so that a draw of a small model takes longer", numba.__version__)
    return {}


# Types and entry points


def class_of(typ: Any) -> type | None:
    """The class of named tuples that a type of numba stands for; None where it stands for something else.

    `overload` chooses code by it.

    Touches ``numba.types.NamedTuple.instance_class``.
    """
    with needed("numba"):
        return typ.instance_class if isinstance(typ, types.NamedTuple | types.NamedUniTuple) else None


def is_dispatcher(function: Any) -> bool:
    """Whether numba's `jit` has made a function.

    Touches the class ``numba.core.dispatcher.Dispatcher``.
    """
    return isinstance(function, Dispatcher)


def entry_point(dispatcher: Any, arguments: Sequence[Any]) -> Callable[..., Any]:
    """The machine code of a function for arguments of these types, compiled or loaded from the disk cache.

    Called by its name, a compiled function looks at the type of every argument first, at several times the price of a
    short transition.

    Touches ``Dispatcher.compile``, and that it returns what can be called.  Without that, the function itself is
    returned, which is slower.
    """
    compiler = getattr(dispatcher, "compile", None)
    found = None if compiler is None else compiler(tuple(arguments))
    return found if callable(found) else dispatcher


def compile_for(dispatcher: Any, arguments: Sequence[Any]) -> None:
    """Compile a function for arguments of these types, as a call in other compiled code does.

    Touches ``Dispatcher.get_call_template``, in place of which `entry_point` serves too.
    """
    with silent_about_the_cache():
        if hasattr(dispatcher, "get_call_template"):
            dispatcher.get_call_template(tuple(arguments), {})
        else:
            entry_point(dispatcher, arguments)


@contextmanager
def silent_about_the_cache() -> Iterator[None]:
    """Let numba not tell every user of a model that what holds large arrays of its data is not kept on disk."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Cannot cache compiled function", numba.NumbaWarning)
        yield


# Addresses


@intrinsic
def pointer_at(typing_context: Any, address: Any) -> Any:
    """The pointer that an integer is, in compiled code, for `numba.carray`.

    Touches ``cgutils.voidptr_t``.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        with needed("numba"):
            return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), codegen


def function_at(signature: Any) -> Any:
    """A converter, in compiled code, from an address to a function of `signature` that can be called there.

    A function that is an argument would have its caller compiled anew for each.

    Touches how numba lays out a value of ``types.FunctionType``, as ``c_addr``, ``py_addr`` and ``jit_addr``: where the
    last one is null, a call goes by the first.
    """
    with needed("numba"):
        function_type = types.FunctionType(signature)

    @intrinsic
    def at(typing_context: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, _: Any, args: Any) -> Any:
            with needed("numba"):
                function = cgutils.create_struct_proxy(function_type)(context, builder)
                null = cgutils.get_null_value(cgutils.voidptr_t)
                function.c_addr = builder.inttoptr(args[0], cgutils.voidptr_t)
                function.py_addr = null
                function.jit_addr = null
                return function._getvalue()

        return function_type(types.int64), codegen

    return at


# Generators

_generator_type = numba.typeof(np.random.default_rng(0))


@intrinsic
def generator_from(typing_context: Any, state: Any, uint64: Any, uint32: Any, double: Any) -> Any:
    """A `numpy.random.Generator` in compiled code, from its addresses; nothing in it is counted or owned.

    numba takes one as an argument too, but unpacks it anew at every call, which takes longer than a short transition.

    Touches how numba lays out a generator and its bit generator: ``state_address``, ``state`` and ``fnptr_...``, which
    are read; ``bit_generator``, ``meminfo`` and ``parent``, which are left null.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        with needed("numba"):
            generator = cgutils.create_struct_proxy(_generator_type)(context, builder)
            bits = cgutils.create_struct_proxy(types.NumPyRandomBitGeneratorType("bit_generator"))(context, builder)
            bits.state_address = bits.state = args[0]
            for name, address in zip(DRAWING, args[1:], strict=True):
                setattr(bits, f"fnptr_{name}", address)
            bits.bit_generator = cgutils.get_null_value(bits.bit_generator.type)
            bits.parent = cgutils.get_null_value(bits.parent.type)
            generator.bit_generator = bits._getvalue()
            generator.meminfo = cgutils.get_null_value(generator.meminfo.type)
            generator.parent = cgutils.get_null_value(generator.parent.type)
            return generator._getvalue()

    return _generator_type(state, uint64, uint32, double), codegen


# The disk cache


@contextmanager
def cache_in(directory: str) -> Iterator[bool]:
    """Have numba keep in a directory what is decorated meanwhile; yields whether it does.

    Touches ``numba.config.CACHE_DIR``, of which the manual knows the environment variable, and which is read where a
    function is decorated.  Without it nothing is kept, and each process compiles anew.
    """
    if not hasattr(numba.config, "CACHE_DIR"):
        _log.warning("numba %s keeps no compiled kernels where it is told to, so none are kept", numba.__version__)
        yield False
        return
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = directory
    try:
        yield True
    finally:
        numba.config.CACHE_DIR = before


@contextmanager
def one_process(dispatcher: Any, arguments: Sequence[Any] = ()) -> Iterator[None]:
    """While this lasts, no other process compiles the same function into the disk cache, nor another thread.

    Where types of arguments are named, others may compile it for other types meanwhile: kernels are few, and processes
    that need them for different settings should not stand in line, nor those that find theirs on the disk.

    Whoever waits here finds the machine code on the disk afterwards.  Without waiting, all workers of a pool compile
    the same at their first start; and, worse, two processes that do write over each other's code, which need not round
    in the same way, so that a process might run one version now and another one later.

    Touches ``Dispatcher.stats.cache_path``, ``_cache._impl.filename_base``, by which the cache names its files, and
    ``global_compiler_lock``, which is taken first, as it is held already where a function is compiled for another one.
    """
    with needed("numba"):
        lock = global_compiler_lock
    with lock:
        try:
            folder = Path(dispatcher.stats.cache_path)
            of_types = f"-{hashlib.sha256(repr(arguments).encode()).hexdigest()[:16]}" if arguments else ""
            file = folder / f"{dispatcher._cache._impl.filename_base}{of_types}.lock"
        except (AttributeError, TypeError):  # TypeError: there is no folder
            yield
            return
        with _lock(file):
            yield


@contextmanager
def _lock(file: Path) -> Iterator[None]:
    """Hold the lock that a file is; where it cannot be had, as on some file systems, nobody waits."""
    held = FileLock(file)
    try:
        held.acquire(timeout=_PATIENCE)
    except (NotImplementedError, OSError, Timeout):
        yield
        return
    try:
        yield
    finally:
        held.release()


def compiled_once(dispatcher: Any) -> Any:
    """The same function, which waits for other processes that compile it for the same arguments: see `one_process`.

    Touches ``Dispatcher.compile``, by which numba itself comes to new machine code, and ``overloads``.
    """
    with needed("numba"):
        compiler, known = dispatcher.compile, dispatcher.overloads

        def wait_and_compile(signature: Any) -> Any:
            if signature in known:
                return compiler(signature)
            with compile_clock.running(), one_process(dispatcher, tuple(getattr(signature, "args", signature))):
                function = compiler(signature)
            set_environments(known.get(signature))
            return function

        dispatcher.compile = wait_and_compile
    return dispatcher


def keep_what_is_kept(folder: Path) -> None:
    """Have numba add to a folder of machine code, and those in it, whatever others do there, and take nothing back.

    numba reads a function's index, adds a line, and writes the index anew.  Of two processes that do so at once, for
    two signatures, one loses its line, and the next process compiles again what another one is already running; which
    need not round in the same way, so that the same run is not the same in the two.  They also take the same file name,
    and the index then leads from one signature to the machine code of the other: numba says that nothing fits, on that
    machine from then on.  And a process that finds a line whose file is not yet there writes over it.

    Here one process writes at a time, to a file of its own, which the index knows when it is complete.  What another
    one has written meanwhile for the same signature stays.

    Touches ``numba.core.caching.IndexDataCacheFile``, of which ``save`` is replaced, and ``_cache_path``,
    ``_index_path``, ``_data_name``, ``_load_index``, ``_save_data`` and ``_save_index`` are used.  Where they have
    moved, which is logged, numba writes as it does.
    """
    save = getattr(IndexDataCacheFile, "save", None)
    if save is None or not all(hasattr(IndexDataCacheFile, name) for name in _OF_INDICES):
        _log.warning("numba %s keeps machine code in a way that is not known here", numba.__version__)
        return

    def add(self: Any, key: Any, data: Any) -> None:
        place = Path(getattr(self, "_cache_path", ""))
        if folder not in (place, *place.parents):
            save(self, key, data)
            return
        with _lock(Path(f"{self._index_path}.lock")):
            known = self._load_index()
            if key not in known or not (place / known[key]).exists():
                stem, ending = os.path.splitext(self._data_name(1 + len(known)))
                known[key] = f"{stem}-{uuid4().hex}{ending}"
                self._save_data(known[key], data)
                self._save_index(known)

    IndexDataCacheFile.save = add


def keep_in(dispatcher: Any, cache: FunctionCache) -> None:
    """Have a function's machine code kept by a cache of one's own making, as ``cache=True`` does by numba's.

    Touches ``Dispatcher._cache``, and the class ``numba.core.caching.FunctionCache`` with its methods ``load_overload``
    and ``save_overload``, by which numba comes to what is kept.
    """
    with needed("numba"):
        dispatcher._cache  # noqa: B018
        dispatcher._cache = cache


def recompiled(dispatcher: Any) -> Any:
    """The same function, with the same options and place on disk, of which nothing is compiled or loaded yet.

    Touches ``Dispatcher.targetoptions`` and ``Dispatcher.stats.cache_path``.
    """
    with needed("numba"):
        options, cached = dispatcher.targetoptions, dispatcher.stats.cache_path is not None
    return numba.jit(**options, cache=cached)(dispatcher.py_func)


def from_cache(dispatcher: Any) -> bool:
    """Whether any of a function's machine code came from the disk.

    Touches ``Dispatcher.stats.cache_hits``.
    """
    with needed("numba"):
        return bool(dispatcher.stats.cache_hits)


# Contexts


class _OwnContexts(CPUTarget):
    """numba's target, where a thread may have contexts of its own: what is compiled there is known there alone."""

    own = threading.local()

    @property
    def typing_context(self) -> Any:
        return getattr(self.own, "typing", None) or super().typing_context

    @property
    def target_context(self) -> Any:
        return getattr(self.own, "target", None) or super().target_context


@contextmanager
def own_contexts() -> Iterator[bool]:
    """Give this thread contexts of its own, for as long as this lasts; yields whether it has them.

    What is compiled in them knows nothing of what the process has compiled before, nor the other way round.  Other
    threads see no change.

    Touches the class of ``numba.core.registry.cpu_target``, which is replaced when this is first called, and its
    properties ``typing_context`` and ``target_context``.  Where they are no longer there, which is logged, a thread has
    none of its own: the first run of a model may differ, in the last bit, from one that is resumed.
    """
    own = _OwnContexts.own
    try:
        cpu_target.__class__ = _OwnContexts
        own.typing = Context()
        own.target = CPUContext(own.typing)
    except (AttributeError, TypeError) as error:
        own.__dict__.clear()
        _log.warning(
            "numba %s has no contexts that can be replaced (%s): the first run of a model may differ, in the last bit, "
            "from one that is resumed",
            numba.__version__,
            error,
        )
        yield False
        return
    try:
        yield True
    finally:
        del own.typing, own.target
