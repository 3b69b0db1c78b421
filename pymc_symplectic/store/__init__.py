"""Runs on disk: draws and statistics as a zarr hierarchy that xarray opens, and beside them the state of each chain."""

from .base import Store, is_free
from .draws import Draws
from .errors import StoreError, some
from .learned import learned_of_store
from .places import local_path
from .reading import open_run
from .sink import StoreSink

__all__ = ["Draws", "Store", "StoreError", "StoreSink", "is_free", "learned_of_store", "local_path", "open_run", "some"]
