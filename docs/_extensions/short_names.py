"""Links from the short names that docstrings use, such as `NoUTurn` or `mechanics.simulate`, to their entries."""

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

__all__ = ["resolve", "setup"]

PACKAGE = "pymc_symplectic"


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """A reference to the one entry whose full name ends in the name that was asked for; None where there are more."""
    if node.get("refdomain") != "py" or "refdoc" not in node:
        return None
    domain = env.domains.python_domain
    ending = "." + node["reftarget"].removeprefix(f"{PACKAGE}.")
    found = [name for name, entry in domain.objects.items() if name.endswith(ending) and not entry.aliased]
    public = [name for name in found if name.removesuffix(ending).count(".") <= 1]  # the package, or a room of it
    if len(public) != 1:
        return None
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", public[0], node, content)


def setup(app: Sphinx) -> dict[str, bool]:
    """Ask for what Sphinx cannot resolve."""
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
