"""Room for connections among this process's open files: each connection is one."""

import sys
from typing import Final

if sys.platform != "win32":
    import resource

OTHER_FILES: Final = 512
"""What the store, the log, the health and metrics ports and the libraries may have open beside."""
FEWEST_CONNECTIONS: Final = 64
"""Not fewer, however small the limit: the files are then shared, and a line still works."""


def make_room(connections: int) -> int:
    """Raise the soft limit of open files towards the hard one, as far as `connections` need it.

    Many systems start programs with 1,024, for the sake of those that use select(2); this one does not.

    Returns:
        How many connections there is room for: `connections`, or fewer where the hard limit is below that.
    """
    if sys.platform == "win32":  # which has no such limit
        return connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return connections
    return min(connections, max(soft - OTHER_FILES, FEWEST_CONNECTIONS))
