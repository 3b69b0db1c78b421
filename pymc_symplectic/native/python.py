"""What Python itself does not document: when the threads of a program are waited for.

Seen in Python 3.12 to 3.14.
"""

import atexit
import concurrent.futures.process  # whose own functions are to be registered before, and called after
import concurrent.futures.thread  # noqa: F401
import threading
from collections.abc import Callable

__all__ = ["before_threads_are_joined"]


def before_threads_are_joined(function: Callable[[], None]) -> None:
    """Call a function when the program ends, before any of its threads is waited for.

    Touches ``threading._register_atexit``, by which executors of `concurrent.futures` see to their threads: what is
    registered last is called first.  Without it, the function is called after the threads have ended by themselves.
    """
    try:
        threading._register_atexit(function)  # type: ignore[attr-defined]
    except (AttributeError, RuntimeError):  # RuntimeError: the program is ending
        atexit.register(function)
