"""Statuses that a log-density, a trajectory or a chain reports: small integers, named."""

from enum import IntEnum

__all__ = ["Status"]


class Status(IntEnum):
    """Outcome of an evaluation or of a block of transitions."""

    OK = 0
    FAILED = 1
    """The log-density raised an error of arithmetic at this point, which counts as a log-density of -inf."""
    BROKEN = 2
    """The log-density raised an error that no other point would cure, or was interrupted: sampling stops."""
