"""Looking a name up in a catalogue, with a helpful message when it is not there."""

import difflib
import re
from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["choose", "other_names"]

NO_ALIASES: Mapping[str, str] = MappingProxyType({})


def choose[T](kind: str, name: object, table: Mapping[str, T], aliases: Mapping[str, str] = NO_ALIASES) -> T:
    """
    Look ``name`` up in ``table``.

    Case does not matter, and spaces, hyphens and underscores are the same thing: ``"Velocity Verlet"``,
    ``"velocity-verlet"`` and ``"velocity_verlet"`` are one name.

    Parameters
    ----------
    kind : str
        What is being chosen, for the message: ``"integrator"``, ``"metric"``, ...
    name : str
        The name that was asked for.
    table : mapping of str to object
        What there is to choose from. Its keys are in lower case, with underscores.
    aliases : mapping of str to str, optional
        Other names, each with the key of ``table`` that it stands for. They are understood, and suggested
        to who mistypes them, but not listed.

    Returns
    -------
    object
        The value that ``table`` has for ``name``.

    Raises
    ------
    TypeError
        When ``name`` is not a string.
    ValueError
        When there is no such name. The message lists the names there are, and the nearest one.

    Examples
    --------
    >>> choose("colour", "Dark Red", {"dark_red": "#8b0000", "gold": "#ffd700"})
    '#8b0000'
    >>> choose("colour", "glod", {"dark_red": "#8b0000", "gold": "#ffd700"})
    Traceback (most recent call last):
    ...
    ValueError: unknown colour 'glod'; choose one of: dark_red, gold. Did you mean 'gold'?
    """
    options = ", ".join(table)
    if not isinstance(name, str):
        raise TypeError(f"{kind} must be a name (a string), got {name!r}; choose one of: {options}")
    key = re.sub(r"[\s_-]+", "_", name.strip().lower())
    key = aliases.get(key, key)
    if key in table:
        return table[key]
    near = difflib.get_close_matches(key, [*table, *aliases], n=1)
    hint = f". Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"unknown {kind} {name!r}; choose one of: {options}{hint}")


def other_names(name: str, aliases: Mapping[str, str]) -> list[str]:
    """
    The names that stand for ``name``.

    Parameters
    ----------
    name : str
    aliases : mapping of str to str
        As for `choose`.

    Returns
    -------
    list of str

    Examples
    --------
    >>> other_names("leapfrog", {"verlet": "leapfrog", "forest_ruth": "yoshida4"})
    ['verlet']
    """
    return [alias for alias, meant in aliases.items() if meant == name]
