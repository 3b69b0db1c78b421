"""How functions that exist to be inlined are compiled by numba: as code to link, and nothing more.

Of every function numba makes what could be called on its own: it optimises it together with all that it calls, emits
its machine code, and wraps it for C.  What is inlined into a kernel through several functions, one in the other, is so
compiled once for each of them, and then once more with the kernel.  Here a function is only handed on to what calls it.
A kernel so takes half to two thirds of the time, and makes the same draws.

Seen in numba 0.61 to 0.68.
"""

import logging
from pathlib import Path
from typing import Any

import numba

__all__ = ["SOURCE", "as_code_to_link", "set_environments"]

_log = logging.getLogger(__name__)
SOURCE = Path(__file__)
"""This file, by which kernels are compiled."""

_ASKED_OF_LIBRARIES = ("codegen", "enable_object_caching", "get_pointer_to_function", "_get_module_for_linking")

try:
    from numba.core.codegen import JITCodeLibrary
    from numba.core.compiler import Compiler

    _known = all(hasattr(JITCodeLibrary, name) for name in _ASKED_OF_LIBRARIES)
except ImportError:
    _known = False

if _known:

    class _CodeToLink(JITCodeLibrary):
        """Intermediate code of one function and of those that it calls, which is never run from here."""

        def finalize(self) -> None:
            """Link, and leave optimising to whoever links this."""
            for library in dict.fromkeys(self._linking_libraries):
                self._reload_init.update(library._reload_init)
                self._final_module.link_in(library._get_module_for_linking(), preserve=True)
            self._final_module.verify()
            self._finalized = True

        def get_pointer_to_function(self, name: str) -> int:
            """As of a function without a wrapper that Python could call: there is none."""
            return 0

        @property
        def codegen(self) -> Any:
            """What numba tells of the environment of a function that it has compiled: see `set_environments`."""
            return _NoEnvironment()

    class _NoEnvironment:
        def set_env(self, name: str, environment: Any) -> None:
            """Nothing to do yet."""

    class _Compiler(Compiler):
        """The usual one, which compiles into such a library."""

        def define_pipelines(self) -> Any:
            library = _CodeToLink(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
            library.enable_object_caching()
            self.state.library = library
            return super().define_pipelines()


def as_code_to_link() -> dict[str, Any]:
    """The options of numba's decorators for functions that are inlined wherever they are called.

    Touches ``numba.core.codegen.JITCodeLibrary``, of which it replaces ``finalize``, ``get_pointer_to_function`` and
    ``codegen`` and uses ``_linking_libraries``, ``_get_module_for_linking``, ``_final_module``, ``_finalized`` and
    ``_reload_init``; ``numba.core.compiler.Compiler``, as its manual describes, with ``state.library``.  Without these,
    functions are compiled as by default, and kernels take longer.
    """
    options: dict[str, Any] = {"forceinline": True, "no_cfunc_wrapper": True}
    if not _known:
        _log.warning("numba %s has other code libraries, so that kernels compile more slowly", numba.__version__)
        return options
    return {**options, "pipeline_class": _Compiler}


def set_environments(compiled: Any) -> None:
    """Tell a function what those that were inlined into it need of the interpreter, such as to print.

    numba does the same where it loads a function from its cache.

    Touches ``CompileResult._find_referenced_environments`` and ``CompileResult.library.codegen.set_env``.  Without them
    a function that is inlined raises a RuntimeError where it prints, in the process that has compiled it.
    """
    find = getattr(compiled, "_find_referenced_environments", None)
    for environment in [] if find is None else find():
        compiled.library.codegen.set_env(environment.env_name, environment)
