"""What a release is made of agrees: its version, the file of changes, the citation, the README on the package index."""

import datetime
import re
import tomllib
from pathlib import Path

import pytest

import pymc_symplectic as ps

ROOT = Path(__file__).parents[2]
CHANGES, CITATION = ROOT / "CHANGELOG.md", ROOT / "CITATION.cff"

if not CHANGES.exists():
    pytest.skip("there is no repository around these tests", allow_module_level=True)


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def cited(key):
    """A field of the citation that is one line."""
    (value,) = re.findall(rf"^{key}: (.+)$", CITATION.read_text(encoding="utf-8"), re.M)
    return value.strip('"')


def test_the_citation_is_of_this_version(project):
    assert cited("version") == ps.__version__
    assert cited("license") == project["license"]
    assert cited("repository-code") == project["urls"]["Source"]
    people = re.findall(r'^  - name: "(.+)"$', CITATION.read_text(encoding="utf-8"), re.M)
    assert people == [author["name"] for author in project["authors"]]


def test_changes_have_a_place_for_this_version():
    """With a day, which the citation has too, once it is released; and with a link before."""
    text = CHANGES.read_text(encoding="utf-8")
    released = dict(re.findall(r"^## \[(\d[^\]]*)\](?: - (.*))?$", text, re.M))
    links = dict(re.findall(r"^\[(\S+)\]: (\S+)$", text, re.M))
    assert re.findall(r"^## \[([^\]]+)\]", text, re.M)[0] == "Unreleased"
    assert {"Unreleased", ps.__version__, *released} == set(links)
    assert all(links[version].endswith(f"/v{version}") for version in links if version != "Unreleased")
    for day in released.values():
        datetime.date.fromisoformat(day)
    days = re.findall(r"^date-released: (\S+)$", CITATION.read_text(encoding="utf-8"), re.M)
    assert days == ([released[ps.__version__]] if ps.__version__ in released else [])


def test_the_readme_is_markdown_that_the_index_shows(project):
    """It leaves HTML out, images among it, but for comments; links are looked at with those of all pages."""
    assert project["readme"] == "README.md"
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```$|<!--.*?-->|`[^`\n]+`", "", text, flags=re.M | re.S)
    assert not re.findall(r"</?[a-zA-Z][^>]*>", prose)
    pictures = re.findall(r"!\[[^\]]*\](?:\[([^\]]+)\]|\(([^)]+)\))", prose)
    assert pictures
    for label, address in pictures:
        (where,) = [address] if address else re.findall(rf"^\[{re.escape(label)}\]: (\S+)$", text, re.M)
        assert where.startswith("https://raw.githubusercontent.com/"), where
