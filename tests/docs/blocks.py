"""The Python of a page of documentation, run as its reader would run it.

All blocks of a page share one namespace, in their order.  What stands behind a prompt is compared with the output that
the page shows, and so is a block of text that follows a block of Python: it has to be the last that the block prints,
after bars of progress.  A line before a block says what else there is to know of it:

``<!-- not run: the reason -->``
    Of a block of Python that cannot run everywhere.
``<!-- extra: store -->``
    Of a block that needs an extra of the package.  It is left out where that is not installed.
``<!-- numbers within 25 %: the reason -->``
    Of a block of text whose numbers another machine may round or time otherwise.  They may differ by so much, or by one
    in the last digit that is shown; all other words may not.

``python blocks.py README.md`` runs a page; it needs nothing but what the page does.
"""

import contextlib
import doctest
import importlib.util
import io
import re
import sys
from pathlib import Path
from typing import NamedTuple

FENCE = re.compile(r"^( *)```(python|pycon)\n(.*?)^\1```$", re.M | re.S)
NOT_RUN = re.compile(r"<!-- not run: ((?:(?!-->).)+) -->\n\n?$", re.S)
EXTRA = re.compile(r"<!-- extra: (\w+) -->\n\n?$")
OUTPUT = re.compile(r"\n\n(?:<!-- numbers within (\d+) %: (?:(?!-->).)+ -->\n\n)?```\n(.*?)^```$", re.M | re.S)
NUMBER = re.compile(r"(?<![\w.])[-+]?\d+\.?\d*(?:e[-+]?\d+)?(?![\w.])")
MODULES = {"dask": "distributed", "store": "zarr"}
"""What is there where an extra is installed."""


class Block(NamedTuple):
    """A block of Python on a page.

    `line` is that of the page which it begins after; `not_run` says why it is not run, and `extra` what it needs to be.
    `output` is what the page shows of it, if anything, and `within` the fraction by which numbers may differ.
    """

    code: str
    line: int
    not_run: str = ""
    extra: str = ""
    output: str = ""
    within: float = 0.0

    @property
    def has_prompts(self):
        return self.code.lstrip().startswith(">>> ")


def blocks_of(page):
    """All blocks of Python on a page."""
    text = Path(page).read_text(encoding="utf-8")
    for found in FENCE.finditer(text):
        before = text[: found.start()]
        reason, extra, output = NOT_RUN.search(before), EXTRA.search(before), OUTPUT.match(text, found.end())
        yield Block(
            found[3],
            text.count("\n", 0, found.start(3)),
            reason[1] if reason else "",
            extra[1] if extra else "",
            output[2] if output else "",
            int(output[1] or 0) / 100 if output else 0.0,
        )


def alike(shown, printed, within=0.0):
    """Whether lines are the same, but for spaces, and numbers that differ by a fraction or in the last digit."""
    if not within:
        return shown.split() == printed.split()
    if NUMBER.sub("#", shown).split() != NUMBER.sub("#", printed).split():
        return False
    for one, other in zip(NUMBER.findall(shown), NUMBER.findall(printed), strict=True):
        a, b, digits = float(one), float(other), len(one.partition(".")[2])
        if abs(a - b) > max(within * max(abs(a), abs(b)), 1.001 * 10.0**-digits):
            return False
    return True


def check_output(block, page, printed):
    """Exit where the last lines that a block has printed are not those that the page shows."""
    shown, lines = block.output.splitlines(), printed.splitlines()
    last = lines[-len(shown) :]
    if len(last) != len(shown) or not all(alike(*pair, block.within) for pair in zip(shown, last, strict=True)):
        raise SystemExit(
            f"{page}, line {block.line + 1}: the page shows\n{block.output}and printed is\n" + "\n".join(last)
        )


def run_examples(block, page, names):
    """Run what stands behind prompts; exit where something else is printed."""
    example = doctest.DocTestParser().get_doctest(block.code, names, Path(page).name, str(page), block.line)
    runner = doctest.DocTestRunner()
    runner.run(example, clear_globs=False)
    if runner.failures:
        raise SystemExit(1)
    names.update(example.globs)


def run(page):
    """Run a page; an error shows the line of the page."""
    names = {"__name__": "__main__"}
    for block in blocks_of(page):
        if block.not_run or (block.extra and importlib.util.find_spec(MODULES[block.extra]) is None):
            print(f"{page}, line {block.line + 1}: not run, {block.not_run or f'without the extra {block.extra}'}")
        elif block.has_prompts:
            run_examples(block, page, names)
        else:
            code = compile("\n" * block.line + block.code, str(page), "exec")
            with contextlib.redirect_stdout(io.StringIO()) if block.output else contextlib.nullcontext() as printed:
                exec(code, names)
            if block.output:
                print(printed.getvalue(), end="")
                check_output(block, page, printed.getvalue())


if __name__ == "__main__":
    run(sys.argv[1])
