"""Runs on disk: draws and statistics as a zarr hierarchy that xarray opens, and beside them the state of each chain."""

from .base import Damage, Store, StoreError
from .reading import open_run, some
from .writer import Writer

__all__ = ["Damage", "Store", "StoreError", "Writer", "open_run", "some"]
