"""Escape in docstrings the signs that reStructuredText would take for something else.

The bars of a norm, as in |r|, would be those of a substitution; the initials of an author, at the start of a reference,
the numbers of a list.
"""

import re
from typing import Any

from sphinx.application import Sphinx

__all__ = ["escape", "setup"]

_BAR = re.compile(r"(?<!\\)\|")
_INITIALS = re.compile(r"^(\s*\.\. \[\w+\] )(?=[A-Z]\. )")
_VERBATIM = re.compile(r"(`[^`]*`+)")  # inline mathematics, literals and references


def escape(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Put a backslash before both, in place; bars in mathematics, literals and examples stay as they are."""
    block: int | None = None  # how far what opened a block that is taken as it is was indented
    example = False
    for i, line in enumerate(lines):
        words, indent = line.strip(), len(line) - len(line.lstrip())
        example = words.startswith(">>> ") or (example and bool(words))
        if block is not None and words and indent <= block:
            block = None
        if block is None and (words.endswith("::") or words.startswith(".. math::")):
            block = indent
        elif block is None and not example:
            parts = _VERBATIM.split(line)
            lines[i] = "".join(part if k % 2 else _BAR.sub(r"\\|", part) for k, part in enumerate(parts))
            lines[i] = _INITIALS.sub(r"\1\\", lines[i])


def setup(app: Sphinx) -> dict[str, bool]:
    """Before numpydoc reads the docstring."""
    app.connect("autodoc-process-docstring", escape, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
