"""Every block of Python that the documentation shows runs as it stands."""

import ast
import doctest
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from .blocks import MODULES, alike, blocks_of

ROOT = Path(__file__).parents[2]
PAGES = [
    page
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
    if page.exists() and any(blocks_of(page))
]
if not PAGES:
    pytest.skip("there is no documentation beside these tests", allow_module_level=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_runs(page, tmp_path):
    """In a process of its own, in an empty folder, as a script of the reader's; and prints what it shows."""
    done = subprocess.run(
        [sys.executable, "-W", "error::FutureWarning", str(Path(__file__).with_name("blocks.py")), str(page)],
        cwd=tmp_path,
        env=os.environ | {"MPLBACKEND": "agg", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_the_readme_shows_what_its_blocks_print():
    blocks = list(blocks_of(ROOT / "README.md"))
    assert sum(bool(block.output) for block in blocks) >= 5
    assert all(block.within <= 0.25 for block in blocks)


def test_extras_of_blocks_are_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {block.extra for page in PAGES for block in blocks_of(page)} - {""}
    assert "store" in named
    for extra in named:
        assert any(MODULES[extra] in requirement for requirement in project["optional-dependencies"][extra])
        assert not any(MODULES[extra] in requirement for requirement in project["dependencies"])


@pytest.mark.parametrize(
    ("shown", "printed", "within", "same"),
    [
        ("a  1.0", "a 1.0", 0.0, True),
        ("a 1.0", "a 1.01", 0.0, False),
        ("mu 4.4 0.053", "mu 4.1 0.06", 0.25, True),
        ("mu 4.4", "mu 2.1", 0.25, False),
        ("mu -1", "mu -0.2", 0.25, True),  # by less than one in the last digit
        ("mu 4.4", "tau 4.4", 0.25, False),
        ("4.4 1", "4.4", 0.25, False),
        ("r_hat 1.00", "r_hat nan", 0.25, False),
    ],
)
def test_what_counts_as_the_same_output(shown, printed, within, same):
    assert alike(shown, printed, within) is same


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


@pytest.mark.parametrize(
    "block",
    [
        "```python\n1 / 0\n```",
        "```python\n>>> 1 + 1\n3\n```",
        "```python\nprint(1)\nprint(2)\n```\n\n```\n3\n```",
        "```python\nprint(100)\n```\n\n<!-- numbers within 25 %: it is slow -->\n\n```\n200\n```",
        "```python\nx += 1\n```\n\n```\nmore\n```",
    ],
)
def test_a_page_that_fails_is_noticed(block, tmp_path):
    page = tmp_path / "page.md"
    shown = "```python\nx = 1\nprint('bars of progress')\nprint(x)\n```\n\n```\n1\n```"
    page.write_text(f"# Page\n\n{shown}\n\nMore.\n\n{block}\n")
    script = Path(__file__).with_name("blocks.py")
    done = subprocess.run([sys.executable, script, page], capture_output=True, text=True)
    assert done.returncode == 1
    assert re.search("line 16", done.stdout + done.stderr)


def test_a_block_without_its_extra_is_left_out(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n<!-- extra: store -->\n\n```python\nimport zarr\n```\n\n```python\nprint(5)\n```\n")
    script = Path(__file__).with_name("blocks.py")
    done = subprocess.run([sys.executable, "-S", script, page], capture_output=True, text=True, cwd=tmp_path, env={})
    assert done.returncode == 0, done.stderr
    assert "line 6: not run, without the extra store" in done.stdout
    assert done.stdout.endswith("5\n")
