"""Which directories are this user's alone."""

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from pymc_symplectic.kernels import private
from pymc_symplectic.kernels.private import make_private

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="modes and owners tell nothing here")
NOBODY = 65534
as_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can act as several users"
)


@pytest.fixture
def base(tmp_path):
    """`base/own/last`, as `make_private` makes it."""
    make_private(tmp_path / "base" / "own" / "last", depth=2)
    return tmp_path / "base"


def again(base):
    make_private(base / "own" / "last", depth=2)


def test_what_it_has_made_passes(base):
    again(base)
    assert oct((base / "own" / "last").stat().st_mode & 0o777) == "0o700"


@pytest.mark.parametrize(
    "where, mode",
    [
        ("own/last", 0o777),
        ("own/last", 0o720),
        ("own/last", 0o755),  # others could reach what an umask left open in it
        ("own/last", 0o1777),
        ("own", 0o777),
        ("own", 0o702),
        ("own", 0o720),
        ("own", 0o1777),
        (".", 0o777),
        (".", 0o702),
        ("..", 0o777),
    ],
)
def test_open_to_others(where, mode, base):
    (base / where).chmod(mode)
    try:
        with pytest.raises(PermissionError, match="other users"):
            again(base)
    finally:
        (base / where).chmod(0o700)


@pytest.mark.parametrize("where, mode", [("own", 0o755), (".", 0o755), (".", 0o1777), ("..", 0o755)])
def test_what_others_may_do(where, mode, base):
    (base / where).chmod(mode)
    again(base)


def test_group_that_is_shared(base, monkeypatch):
    base.chmod(0o770)
    monkeypatch.setattr(private, "_is_private", lambda group: False)
    with pytest.raises(PermissionError, match=f"{base} can be written by other users"):
        again(base)


def test_group_of_the_user_alone(base, monkeypatch):
    """Where the umask is 002, as it often is with a group for each user."""
    base.chmod(0o775)
    monkeypatch.setattr(private, "_is_private", lambda group: group == base.stat().st_gid)
    again(base)


def test_which_groups_are_private():
    import grp
    import pwd

    user = pwd.getpwuid(os.geteuid())
    others = [group for group in grp.getgrall() if group.gr_name != user.pw_name]
    assert others
    assert not any(private._is_private(group.gr_gid) for group in others if group.gr_gid != user.pw_gid)
    assert not private._is_private(2**31 - 7)  # there is none


@pytest.mark.parametrize(
    "primary, name, members, private_",
    [
        (7, "ada", [], True),
        (7, "ada", ["ada"], True),
        (7, "ada", ["bob"], False),
        (7, "staff", [], False),
        (8, "ada", [], False),
    ],
)
def test_a_group_of_the_users_name(primary, name, members, private_, monkeypatch):
    user, group = (
        SimpleNamespace(pw_name="ada", pw_gid=primary),
        SimpleNamespace(gr_name=name, gr_gid=7, gr_mem=members),
    )
    monkeypatch.setattr("pwd.getpwuid", lambda uid: user)
    monkeypatch.setattr("grp.getgrgid", lambda gid: group)
    assert private._is_private(7) is private_


@pytest.mark.parametrize("where", ["own", "own/last"])
def test_links_are_not_followed(where, base, tmp_path):
    target = tmp_path / "target"
    (target / "last").mkdir(parents=True, mode=0o700)
    shutil.rmtree(base / where)
    (base / where).symlink_to(target)
    with pytest.raises(PermissionError, match="is not a directory"):
        again(base)


def test_nothing_is_made_beneath_a_link_that_leads_nowhere(base, tmp_path):
    shutil.rmtree(base / "own")
    (base / "own").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError):
        again(base)
    assert not (tmp_path / "nowhere").exists()


def test_directory_of_another_user(base, monkeypatch):
    """Of root too: it may have made it for all."""
    another = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: another)
    with pytest.raises(PermissionError, match="belongs to another user"):
        again(base)


def test_nothing_is_made_where_it_is_not_safe(tmp_path):
    tmp_path.chmod(0o777)
    try:
        with pytest.raises(PermissionError):
            make_private(tmp_path / "base" / "own" / "last", depth=2)
        assert not list(tmp_path.iterdir())
    finally:
        tmp_path.chmod(0o700)


# As root, who can act as several users


@contextmanager
def acting_as(user):
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_base():
    """A directory with the sticky bit, open to all: like /tmp."""
    base = Path(tempfile.mkdtemp())
    base.chmod(0o1777)
    yield base
    shutil.rmtree(base)


@as_root
def test_another_user_was_there_before(open_base):
    with acting_as(NOBODY):
        make_private(open_base / "own" / "last", depth=2)
        make_private(open_base / "own" / "last", depth=2)
    with pytest.raises(PermissionError, match="belongs to another user"):
        make_private(open_base / "own" / "last", depth=2)
    shutil.rmtree(open_base / "own")
    make_private(open_base / "own" / "last", depth=2)
    with acting_as(NOBODY), pytest.raises(PermissionError):
        make_private(open_base / "own" / "last", depth=2)


@as_root
@pytest.mark.parametrize("where", ["own", "own/last"])
def test_given_to_another_user(where, base):
    os.chown(base / where, NOBODY, -1)
    with pytest.raises(PermissionError, match="belongs to another user"):
        again(base)


@as_root
def test_beneath_a_directory_of_another_user(base):
    """Who could rename what is in it."""
    os.chown(base, NOBODY, -1)
    with pytest.raises(PermissionError, match="belongs to another user"):
        again(base)


@as_root
def test_in_a_directory_of_root(open_base):
    open_base.chmod(0o755)
    with acting_as(NOBODY), pytest.raises(PermissionError):
        make_private(open_base / "own" / "last", depth=2)
    (open_base / "own").mkdir()
    os.chown(open_base / "own", NOBODY, -1)
    with acting_as(NOBODY):
        make_private(open_base / "own" / "last", depth=2)
