"""Private names of JAX, which need not be installed."""

import sys

__all__ = ["has_started"]


def has_started() -> bool:
    """Whether JAX has started its threads in this process; never imports it.

    A process that is forked from such a one waits forever when it calls JAX.

    Touches ``jax._src.xla_bridge.backends_are_initialized`` (seen in JAX 0.4 and later).  Without it, JAX is taken to
    have started wherever it was imported.
    """
    bridge = sys.modules.get("jax._src.xla_bridge")
    return bridge is not None and bool(getattr(bridge, "backends_are_initialized", lambda: True)())
