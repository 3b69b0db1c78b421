"""What a run has learned, as a value: kept with its draws, saved, and given to the next run."""

from .chain import LearnedChain
from .pooling import agreeing, path_of, together
from .value import Learned

__all__ = ["Learned", "LearnedChain", "agreeing", "path_of", "together"]
