"""No core dumps: the memory of a server holds the CA's key, pass phrases and PINs."""

import ctypes
import os
import sys
from typing import Final

_SET_DUMPABLE: Final = 4
"""PR_SET_DUMPABLE of prctl(2)."""
_NONE: Final = (0, 0)


def forbid() -> None:
    """Have the kernel write no core of this process, and let no other user of its account look into its memory.

    The limit alone is not enough: the kernel disregards it where cores are piped to a program such as systemd-coredump
    or apport (core(5)). On Windows nothing is done: who collects dumps there (Windows Error Reporting) is told so by
    the machine's administrator.
    """
    if os.name != "posix":
        return
    import resource  # noqa: PLC0415 - not there on Windows

    # Where it is so already, as under the systemd unit, a sandbox may forbid to set it.
    if resource.getrlimit(resource.RLIMIT_CORE) != _NONE:
        resource.setrlimit(resource.RLIMIT_CORE, _NONE)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)
