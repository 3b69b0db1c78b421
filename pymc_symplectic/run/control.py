"""What is asked of a run while it goes on: to stop, or to pause."""

from __future__ import annotations

import time

__all__ = ["Control"]

_TICK = 0.05


class Control:
    """Says to the chains of a run whether to go on; may be called from any thread.

    Chains ask between blocks of draws.  One that is paused has ended, with its draws kept, and is begun again from its
    state: so nothing is left to lose in a pause.

    Attributes
    ----------
    stopped : bool
        Whether the run is to end.
    interrupted : bool
        Whether it is to end as by Ctrl-C.
    """

    def __init__(self) -> None:
        # no locks: a run that nobody refers to any more is stopped in whatever thread finds that out, at any point
        self.stopped, self.interrupted, self._paused = False, False, False

    @property
    def paused(self) -> bool:
        """Whether the run is to wait; one that is to end is not."""
        return self._paused and not self.stopped

    @property
    def halted(self) -> bool:
        """Whether chains are to end now, for good or for a while."""
        return self.stopped or self._paused

    def stop(self) -> None:
        """End the run, also one that waits."""
        self.stopped = True

    def interrupt(self) -> None:
        """End the run as Ctrl-C does."""
        self.interrupted = True
        self.stop()

    def pause(self) -> None:
        """Let the run wait, until `resume`."""
        self._paused = True

    def resume(self) -> None:
        """Let the run go on."""
        self._paused = False

    def wait(self) -> None:
        """Return when the run is not paused any more."""
        while self.paused:
            time.sleep(_TICK)
