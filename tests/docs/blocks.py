"""The Python of a page of documentation, run as its reader would run it.

All blocks of a page share one namespace, in their order.  What stands behind a prompt is compared with the output that
the page shows.  A block that cannot run everywhere says so in the line before it: ``<!-- not run: the reason -->``.

``python blocks.py README.md`` runs a page; it needs nothing but what the page does.
"""

import doctest
import re
import sys
from pathlib import Path
from typing import NamedTuple

FENCE = re.compile(r"^( *)```(python|pycon)\n(.*?)^\1```$", re.M | re.S)
NOT_RUN = re.compile(r"<!-- not run: ((?:(?!-->).)+) -->\n\n?$", re.S)


class Block(NamedTuple):
    """The code of a block, the line of the page that it begins after, and why it is not run."""

    code: str
    line: int
    not_run: str = ""

    @property
    def has_prompts(self):
        return self.code.lstrip().startswith(">>> ")


def blocks_of(page):
    """All blocks of Python on a page."""
    text = Path(page).read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        reason = NOT_RUN.search(text[: found.start()])
        yield Block(found[3], text.count("\n", 0, found.start(3)), reason[1] if reason else "")


def run(page):
    """Run a page; an error shows the line of the page."""
    names = {"__name__": "__main__"}
    for block in blocks_of(page):
        if block.not_run:
            continue
        if block.has_prompts:
            example = doctest.DocTestParser().get_doctest(block.code, names, Path(page).name, str(page), block.line)
            runner = doctest.DocTestRunner()
            runner.run(example, clear_globs=False)
            if runner.failures:
                raise SystemExit(1)
            names.update(example.globs)
        else:
            exec(compile("\n" * block.line + block.code, str(page), "exec"), names)


if __name__ == "__main__":
    run(sys.argv[1])
