"""How long this process has been compiling kernels, which is no time of sampling."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["compile_clock"]


class _Clock:
    """Seconds during which any thread of this process was compiling a kernel, or waiting for one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running, self._since, self._seconds = 0, 0.0, 0.0

    @property
    def seconds(self) -> float:
        """So far."""
        with self._lock:
            return self._seconds + (time.perf_counter() - self._since if self._running else 0.0)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let it run while this lasts, in whatever thread."""
        with self._lock:
            if not self._running:
                self._since = time.perf_counter()
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                if not self._running:
                    self._seconds += time.perf_counter() - self._since


compile_clock = _Clock()
