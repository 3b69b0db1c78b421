"""Every block of Python that the documentation shows runs as it stands."""

import ast
import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .blocks import blocks_of

ROOT = Path(__file__).parents[2]
PAGES = [
    page
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
    if page.exists() and any(blocks_of(page))
]
if not PAGES:
    pytest.skip("there is no documentation beside these tests", allow_module_level=True)


@pytest.fixture(scope="module")
def printed():
    """The output of each page."""
    return {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_runs(page, printed, tmp_path):
    """In a process of its own, in an empty folder, as a script of the reader's."""
    done = subprocess.run(
        [sys.executable, "-W", "error::FutureWarning", str(Path(__file__).with_name("blocks.py")), str(page)],
        cwd=tmp_path,
        env=os.environ | {"MPLBACKEND": "agg", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    printed[page.name] = done.stdout


def test_the_readme_shows_what_is_printed(printed):
    """Numbers aside, which another processor changes."""
    if "README.md" not in printed:
        pytest.skip("the README has not been run")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```python\n[^`]*^```\n\n```\n(.*?)^```$", text, re.M | re.S)

    def layout(lines):
        return [re.sub(r"-?\d[\d.]*(?!\w)", "#", line).split() for line in lines]

    lines = printed["README.md"].splitlines()
    first = lines.index(next(line for line in lines if line.split()[:2] == ["mean", "sd"]))  # progress stands before it
    assert layout(lines[first:])[: shown.count("\n")] == layout(shown.splitlines())


def test_few_blocks_are_not_run():
    left_out = {(page.name, block.not_run) for page in PAGES for block in blocks_of(page) if block.not_run}
    assert {page for page, _ in left_out} == {"own-density.md", "running.md"}
    assert len(left_out) <= 3


def lines_of_a_part(block):
    """Lines of what a block defines and registers, or of each definition of `own` or `scheme` behind a prompt."""
    if block.has_prompts:
        examples = [example.source for example in doctest.DocTestParser().get_examples(block.code)]
        return [source.count("\n") for source in examples if source.startswith(("own = ", "scheme = "))]
    lines, count = block.code.splitlines(), 0
    for node in ast.parse(block.code).body:
        words = ast.unparse(node)
        if isinstance(node, ast.FunctionDef | ast.ClassDef) or "register(" in words.partition("\n")[0]:
            first = min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))])
            count += sum(bool(line.strip()) for line in lines[first - 1 : node.end_lineno])
    return [count] if count else []


def test_parts_of_ones_own_take_as_many_lines_as_the_page_says():
    page = ROOT / "docs" / "extending.md"
    stated = [int(count) for count in re.findall(r"^\| .*?\| (\d+) \|", page.read_text(encoding="utf-8"), re.M)]
    assert stated == [count for block in blocks_of(page) for count in lines_of_a_part(block)]
    assert len(stated) == 7


def test_a_page_that_fails_is_noticed(tmp_path):
    for code in ("1 / 0", ">>> 1 + 1\n3\n"):
        page = tmp_path / "page.md"
        page.write_text(f"# Page\n\n```python\nx = 1\n```\n\nMore.\n\n```python\n{code}\n```\n")
        script = Path(__file__).with_name("blocks.py")
        done = subprocess.run([sys.executable, script, page], capture_output=True, text=True)
        assert done.returncode == 1
        assert "line 10" in done.stdout + done.stderr
