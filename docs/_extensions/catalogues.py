"""``.. catalogue:: module.NAME``: a table of a catalogue of the package, as the build finds it."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx

from pymc_symplectic.mechanics.methods import ALIASES
from pymc_symplectic.names import other_names

__all__ = ["CatalogueTable", "setup"]

type Row = Callable[[Any], list[str]]


def _link(value: Any) -> list[str]:
    """A class, as its entry in the API."""
    return [f"`{value.__name__}`"]


def _instance(value: Any) -> list[str]:
    """An object, as the entry of its class."""
    return [f"`{type(value).__name__}`"]


def _names(value: Any) -> str:
    """What else something of mechanics is called; the integrators' names are among these."""
    return ", ".join(f"``{name}``" for name in other_names(value.name, ALIASES))


def _integrator(value: Any) -> list[str]:
    stages = getattr(value, "stages", "as many as its equation takes")
    return [str(value.order), str(stages), getattr(value, "reference", "")]


def _named_integrator(value: Any) -> list[str]:
    return [_names(value), *_integrator(value)]


def _method(value: Any) -> list[str]:
    return [_names(value), f"`{type(value).__name__}`", str(value.order), value.reference]


def _system(value: Any) -> list[str]:
    return [value.equation, str(value.dim), value.reference]


def _optimizer(value: Any) -> list[str]:
    if value.rule is None:
        return ["none: it searches along lines"]
    return ["1/λ, λ the largest curvature at the start" if value.rate is None else f"{value.rate:g}"]


def _schedule(value: Any) -> list[str]:
    return [f"{value(share):.3g}" for share in (0.0, 0.5, 1.0)]


def _alias(value: Any) -> list[str]:
    return [f"``{value}``"]


# By name of the catalogue: what its columns are called, beside that of the names, and what stands in them.
_COLUMNS: Mapping[str, tuple[list[str], Row]] = {
    "integrators.CATALOGUE": (["also known as", "order", "gradients a step", "reference"], _named_integrator),
    "integrators.HARMONIC": (["order", "gradients a step", "reference"], _integrator),
    "integrators.IMPLICIT": (["order", "gradients a step", "reference"], _integrator),
    "integrators.ALIASES": (["stands for"], _alias),
    "kinetic.CATALOGUE": (["class"], _link),
    "metrics.CATALOGUE": (["class"], _link),
    "splits.CATALOGUE": (["class"], _instance),
    "trajectories.CATALOGUE": (["class"], _link),
    "trajectories.ALIASES": (["stands for"], _alias),
    "mechanics.TEXTBOOK": (["also known as", "kind", "order", "reference"], _method),
    "mechanics.SYSTEMS": (["U(q)", "coordinates", "reference"], _system),
    "optimize.OPTIMIZERS": (["learning rate, unless it is given"], _optimizer),
    "optimize.SCHEDULES": (["at the start", "half way", "at the end"], _schedule),
}


class CatalogueTable(Directive):
    """A list-table with one row for each entry of a catalogue."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Write the table as reStructuredText, so that references in it are found."""
        name = self.arguments[0]
        module, attribute = name.rsplit(".", 1)
        catalogue = getattr(import_module(f"pymc_symplectic.{module}"), attribute)
        titles, row = _COLUMNS[name]
        lines = [".. list-table::", "   :header-rows: 1", ""]
        for cells in (["name", *titles], *([f"``{key}``", *row(value)] for key, value in catalogue.items())):
            lines += [f"   {'-' if i else '* -'} {cell}".replace("   - ", "     - ", 1) for i, cell in enumerate(cells)]
        parent = nodes.Element()
        self.state.nested_parse(StringList(lines, source=__file__), self.content_offset, parent)
        return parent.children


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the directive known."""
    app.add_directive("catalogue", CatalogueTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
