"""Directories that only this user can write to.

numba's index of compiled code is a pickle, and reading a pickle runs what stands in it.  Whoever can put a file where
kernels are kept can therefore run code as the user who loads them.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

__all__ = ["make_private"]

_GROUP_OR_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def make_private(directory: Path, *, depth: int) -> None:
    """Make a directory, and those that lead to it, and see that nobody else can put anything there.

    Parameters
    ----------
    directory : Path
        Without symbolic links, other than in what the check is there to find.
    depth : int
        How many directories at its end have to be this user's own, and writable by nobody else.  Those before them
        must not let another user put others in their place.

    Raises
    ------
    OSError
        When it cannot be made, or is not safe; the message says why.

    Notes
    -----
    It goes from the root downwards: what has passed cannot be exchanged any more while the next one is looked at.  On
    Windows, lists of access take the place of modes, and the folders of a user are closed to others as they are.
    """
    path = [*reversed(directory.parents), directory]
    for i, step in enumerate(path):
        if not os.path.lexists(step):
            with suppress(FileExistsError):  # another process was faster
                step.mkdir(mode=stat.S_IRWXU)
        if hasattr(os, "geteuid"):
            objection = _objection(step.lstat(), own=i >= len(path) - depth, last=step is directory)
            if objection:
                raise PermissionError(f"{step} {objection}")


def _objection(about: os.stat_result, own: bool, last: bool) -> str:
    """The fault of a directory, if there is one."""
    if not stat.S_ISDIR(about.st_mode):
        return "is not a directory"
    if own and about.st_uid != os.geteuid():
        return "belongs to another user"
    # The owner of the root can exchange everything anyway; in a container that may be another than user 0.
    if about.st_uid not in {os.geteuid(), 0, os.stat("/").st_uid}:
        return "belongs to another user"
    if last:
        # Closed altogether, so that it does not matter what the umask lets others do with the files in it.
        return "is open to other users" if about.st_mode & (stat.S_IRWXG | stat.S_IRWXO) else ""
    if own:
        return "can be written by other users" if about.st_mode & _GROUP_OR_OTHERS_WRITE else ""
    # In a directory with the sticky bit, such as /tmp, others can add entries, but not exchange those of this user.
    if about.st_mode & stat.S_ISVTX:
        return ""
    group = about.st_mode & stat.S_IWGRP and not _is_private(about.st_gid)
    return "can be written by other users" if group or about.st_mode & stat.S_IWOTH else ""


def _is_private(group: int) -> bool:
    """Whether a group is this user alone: many systems make one of the user's name, which the umask then trusts."""
    import grp
    import pwd

    try:
        user, found = pwd.getpwuid(os.geteuid()), grp.getgrgid(group)
    except KeyError:
        return False
    return (found.gr_gid, found.gr_name) == (user.pw_gid, user.pw_name) and set(found.gr_mem) <= {user.pw_name}
