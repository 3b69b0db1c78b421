"""The documentation is complete, and what it shows is so.  Nothing is built here: `make docs` does that."""

import ast
import doctest
import importlib
import pkgutil
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import pymc_symplectic as ps
import pymc_symplectic.optimize
from pymc_symplectic.statistics import DTYPES, RENAMED

ROOT = Path(__file__).parents[2]
DOCS, EXAMPLES = ROOT / "docs", ROOT / "examples"
DEMOS = {"regression.py", "integrators.py"}  # shown on a page of their own
GENERATED = {"gallery", "generated", "_build"}
PAGES = sorted(
    path
    for pattern in ("*.md", "*.rst")
    for path in DOCS.rglob(pattern)
    if not GENERATED & set(path.relative_to(DOCS).parts) and not path.relative_to(DOCS).parts[0].startswith("_")
)
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
ROOMS = [ps, ps.optimize, *(value for name in ps.__all__ if isinstance(value := getattr(ps, name), ModuleType))]
MODULES = [
    ps.__name__,
    *(found.name for found in pkgutil.walk_packages(ps.__path__, f"{ps.__name__}.") if ".kernels" not in found.name),
]

if not DOCS.is_dir():
    pytest.skip("there is no documentation beside these tests", allow_module_level=True)


# The API


def listed():
    """Full names of what the API pages describe."""
    names = set()
    for page in (DOCS / "api").glob("*.rst"):
        text = page.read_text()
        names |= {f"{ps.__name__}.{name}" for name in re.findall(r"^\.\. py:(?:data|type):: (\S+)", text, re.M)}
        for block in re.findall(r"^\.\. autosummary::\n(?:   :.*\n)*\n((?:   .+\n)+)", text, re.M):
            names |= {f"{ps.__name__}.{line.strip().removeprefix('~')}" for line in block.splitlines()}
    return names


def described(module):
    """Modules whose own words a page gives."""
    return any(f"automodule:: {module.__name__}\n" in page.read_text() for page in (DOCS / "api").glob("*.rst"))


def look_up(name):
    room, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(room), attribute)


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.__name__)
def test_every_public_name_has_a_page(room):
    names = listed()
    objects = [look_up(name) for name in names]
    for name in room.__all__:
        value = getattr(room, name)
        if isinstance(value, ModuleType):
            assert described(value), f"no page of docs/api describes {value.__name__}"
            continue
        elsewhere = callable(value) and any(value is other for other in objects)
        assert f"{room.__name__}.{name}" in names or elsewhere, f"no page of docs/api lists {room.__name__}.{name}"


def test_every_name_with_a_page_is_there():
    assert len(listed()) > 50
    for name in listed():
        look_up(name)


def test_the_reader_of_pages_notices_a_missing_name():
    assert "pymc_symplectic.plots.phase_portrait" in listed()
    assert "pymc_symplectic.plots.no_such_plot" not in listed()


def test_every_catalogue_has_its_table():
    for page in (DOCS / "api").glob("*.rst"):
        for name in re.findall(r"^\.\. py:data:: (\S+)", page.read_text(), re.M):
            assert f"   .. catalogue:: {name}\n" in page.read_text(), name


# Pages


def entries(page):
    """The targets of the tables of contents on a page, relative to docs/."""
    blocks = re.findall(r"```\{toctree\}\n(.*?)```|^\.\. toctree::\n((?:   .*\n|\n)+)", page.read_text(), re.M | re.S)
    lines = [line.strip() for block in blocks for line in "".join(block).splitlines()]
    names = [re.sub(r"^.* <(.*)>$", r"\1", line) for line in lines if line and not line.startswith(":")]
    return [(page.parent / name).relative_to(DOCS).as_posix() for name in names]


def test_every_page_is_in_one_table_of_contents():
    reached = [entry for page in PAGES for entry in entries(page)]
    pages = {page.relative_to(DOCS).with_suffix("").as_posix() for page in PAGES}
    assert len(reached) == len(set(reached))
    assert pages - set(reached) == {"index"}
    assert set(reached) - pages == {"gallery/index"}  # made when the pages are built


MARKDOWN = [
    page for page in (*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("benchmarks/*.md")), *PAGES) if page.suffix == ".md"
]
OWN = re.compile(
    r"https://(?:github\.com|raw\.githubusercontent\.com)/pymc-symplectic/pymc-symplectic/(?:(?:blob|tree)/)?main/"
)


def targets(page):
    """The targets of the links and pictures of a page, without anchors; those on other sites are left out."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"^\[[^\]]+\]: (\S+)$", text, re.M)
    for target in (target.partition("#")[0] for target in found):
        if OWN.match(target) or (target and not target.startswith(("http:", "https:"))):
            yield target


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    for target in targets(page):
        first = Path(target).parts[0]
        if OWN.match(target):
            assert (ROOT / OWN.sub("", target)).exists(), target
        elif first == "gallery":
            assert target == "gallery/index" or (EXAMPLES / f"{Path(target).name}.py").exists(), target
        elif "generated" in target:
            assert Path(target).name in listed(), target
        else:
            assert (page.parent / target).exists(), target


def test_links_of_the_readme_hold_elsewhere():
    """It is shown where there are no files beside it, as by the package index."""
    found = list(targets(ROOT / "README.md"))
    assert len(found) > 10
    assert all(OWN.match(target) for target in found)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\[([^\]]+)\]", text)) == set(re.findall(r"^\[([^\]]+)\]: ", text, re.M))


def test_pages_are_grouped_and_a_group_of_one_has_no_side_bar():
    groups = {name: entries(DOCS / f"{name}.md") for name in entries(DOCS / "index.md")}
    assert list(groups) == ["start", "learn", "choosing", "reference", "benchmark"]
    configuration = (DOCS / "conf.py").read_text(encoding="utf-8")
    (bare,) = re.findall(r"^html_sidebars = (\{.*\})", configuration, re.M)
    assert set(ast.literal_eval(bare)) == {name for name, beneath in groups.items() if not beneath}


# Examples


def test_every_example_has_its_place_in_the_gallery():
    sys.path.insert(0, str(DOCS / "_extensions"))
    try:
        order = importlib.import_module("gallery_order").ORDER
    finally:
        sys.path.pop(0)
    scripts = {path.name for path in SCRIPTS if not path.name.startswith("_")}
    assert len(order) == len(set(order))
    assert set(order) == scripts - DEMOS
    assert scripts >= DEMOS


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_example_compiles_and_says_what_it_does(script):
    tree = ast.parse(script.read_text(), filename=str(script))
    words = ast.get_docstring(tree)
    assert words
    if not script.name.startswith("_"):  # a title, underlined, and what it is about
        title, line, *rest = words.splitlines()
        assert set(line) == {"="} and len(line) == len(title)
        assert any(rest)


# What stands behind a prompt in a docstring; pages are run by test_blocks.py


@pytest.fixture
def unseen():
    """Pictures are drawn, and not shown."""
    pytest.importorskip("matplotlib").use("agg")
    yield
    importlib.import_module("matplotlib.pyplot").close("all")


@pytest.mark.parametrize("module", MODULES)
def test_docstrings_show_what_happens(module, unseen):
    result = doctest.testmod(importlib.import_module(module))
    assert not result.failed


# Statistics


def test_every_statistic_is_described():
    page = (DOCS / "statistics.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"^\| statistic \|.*\n\| --- .*\n((?:\|.*\n)+)", page, re.M)
    described = re.findall(r"^\| `(\w+)` \|", table, re.M)
    assert len(described) == len(set(described))
    assert set(described) == {RENAMED.get(name, name) for name in DTYPES}


# Troubleshooting

IN_PARTS = {
    "Sampling …: … of": ["Sampling was interrupted", "Sampling ended in warm-up"],
    "…: …; …. They are": ["until: … draws of each chain do not meet the goals"],
    "…… ps.diagnose": ["nats below the others", "stays elsewhere", "rests for … of … draws at one place"],
    "… is damaged": ["… is damaged. …"],
    "note": ["Sampling was interrupted"],  # of a run in the background, warned of when it is asked for
    "short": ["With tune=… nothing is adapted"],
    "warning": ["With tune=… nothing is adapted"],
    "monitor.warning": ["gradient_descent (…) …"],
    "message.format": [
        "the posterior is improper there",
        "still rises along",
        "spread farther",
        "cannot move",
        "diverge",
    ],
    "message": ["… cannot be pickled (…)"],
    "…$": ["its compiled functions have no vm.jit_fn"],
}
"""Of warnings that are put together from parts, by a pattern of how they begin, what the page says of them."""
KINDS_OF_TROUBLE = (
    "What was learned",
    "The description of the run",
    "The check of convergence",
    "The look at what gradients take",
    "The look at the chains",
    "The conversion by pymc.to_inference_data",
    "The computation of …",
)
"""What may be missing of a result."""


def words_of(node):
    """The words of an expression, with dots for what is filled in; its source where it is no text."""
    match node:
        case ast.Constant(value=str()):
            return re.sub(r"%\w", "…", node.value)
        case ast.JoinedStr():
            return "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
    return ast.unparse(node)


def warnings_given():
    """Of each place in the package where something is warned of: the file, and the words."""
    root = Path(ps.__file__).parent
    for file in sorted(root.rglob("*.py")):
        place = file.relative_to(root).as_posix()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            calls = {"_log.warning", "_log.error", "warnings.warn", "warn", "attempt"}
            if isinstance(node, ast.Call) and node.args and ast.unparse(node.func) in calls and place != "run/warn.py":
                yield place, words_of(node.args[0])


def quoted_by(page):
    """What stands in code in the first column of the tables of a page."""
    rows = re.findall(r"^\| (.*?) \| .* \| .*\|$", page, re.M)
    return [words for row in rows for words in re.findall(r"`([^`]+)`", row)]


def test_troubleshooting_knows_every_warning():
    page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    quoted = [words.strip("… ") for words in [*quoted_by(page), *KINDS_OF_TROUBLE]]
    given = list(warnings_given())
    assert all(kind in page for kind in KINDS_OF_TROUBLE)
    assert len(given) > 20
    for place, words in given:
        parts = next((parts for begin, parts in IN_PARTS.items() if re.match(begin, words)), None)
        if parts is None:
            assert any(known in words for known in quoted), f"{place}: {words}"
        else:
            assert all(part in page for part in parts), f"{place}: {words}"


def test_troubleshooting_quotes_what_is_said():
    """What it quotes of this package's is in the package."""
    page = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    source = "\n".join(file.read_text(encoding="utf-8") for file in Path(ps.__file__).parent.rglob("*.py"))
    source = re.sub(r"\{[^{}]*\}|%\w", "…", re.sub(r'"\s*\n\s*[frb]*"', "", source))
    quoted = quoted_by(page)
    of_pymc = {row.split("`")[1] for row in page.splitlines() if "PyMC's words" in row}
    assert len(quoted) > 30 and len(of_pymc) == 3
    for words in set(quoted) - of_pymc:
        pieces = [piece for piece in re.split(r"^Sampling | ?… ?", words) if len(piece) > 4]
        assert all(piece.strip(" (.):,") in source for piece in pieces), words
