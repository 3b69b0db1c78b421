"""Looking names up: what is understood, and what is said when it is not."""

import re

import pytest

from pymc_symplectic.names import choose, other_names

COLOURS = {"dark_red": 1, "gold": 2, "sea_green": 3}
ALIASES = {"yellow": "gold"}


@pytest.mark.parametrize("name", ["dark_red", "Dark Red", "DARK-RED", " dark  red ", "dark_ red"])
def test_case_spaces_and_hyphens_do_not_matter(name):
    assert choose("colour", name, COLOURS) == 1


def test_values_that_are_false_are_found():
    assert choose("flag", "off", {"off": False, "nothing": None}) is False
    assert choose("flag", "nothing", {"off": False, "nothing": None}) is None


def test_aliases_are_understood():
    assert choose("colour", "Yellow", COLOURS, ALIASES) == 2
    assert other_names("gold", ALIASES) == ["yellow"]
    assert other_names("yellow", ALIASES) == []


def test_unknown_name_lists_the_options():
    with pytest.raises(ValueError, match=re.escape("unknown colour '#123'; choose one of: dark_red, gold, sea_green")):
        choose("colour", "#123", COLOURS)


def test_nothing_is_suggested_when_nothing_is_near():
    with pytest.raises(ValueError) as info:
        choose("colour", "xyzzy", COLOURS, ALIASES)
    assert "mean" not in str(info.value)


@pytest.mark.parametrize(("typo", "meant"), [("Glod", "gold"), ("dark rde", "dark_red"), ("yelow", "yellow")])
def test_typo_suggests_the_nearest(typo, meant):
    with pytest.raises(ValueError, match=f"Did you mean '{meant}'\\?"):
        choose("colour", typo, COLOURS, ALIASES)


@pytest.mark.parametrize("name", [None, 3, ("gold",), b"gold"])
def test_not_a_string_names_the_kind(name):
    with pytest.raises(TypeError, match=r"colour must be a name .*choose one of: dark_red, gold, sea_green"):
        choose("colour", name, COLOURS)
