"""Following what is issued, as an MES does: each certificate once, in the order of the log."""

import dataclasses
import itertools
import time
from collections.abc import Iterator
from typing import Final

from linecert_client.client import Client
from linecert_client.filters import Filter
from linecert_client.results import IssuedCertificate

_PAGE: Final = 1000


def following(
    client: Client, criteria: Filter, *, interval: float = 1.0, deadline: float | None = None
) -> Iterator[IssuedCertificate]:
    """What matches and comes later in the log than `criteria.after_log_index`, without an end.

    Args:
        client: of a station, which sees its own, a planner or an auditor.
        criteria: what is meant. Without an `after_log_index` it begins with what is issued from now on.
        interval: seconds between two looks where nothing was new.
        deadline: seconds for each look, retries included.
    """
    after = criteria.after_log_index
    if after is None:
        newest = next(_newest_first(client, Filter(), deadline, page_size=1), None)
        after = newest.log_index if newest else None
    while True:
        # Pages come newest first, so a look is read to its end before its records are given in order.
        looked = _newest_first(client, dataclasses.replace(criteria, after_log_index=after), deadline)
        new = sorted(looked, key=_index)
        yield from new
        if new:
            after = _index(new[-1])
        else:
            time.sleep(interval)


def _newest_first(
    client: Client, criteria: Filter, deadline: float | None, *, page_size: int = _PAGE
) -> Iterator[IssuedCertificate]:
    pages = client.list(criteria, page_size=page_size, deadline=deadline)
    return itertools.chain.from_iterable(page.issued for page in pages)


def _index(issued: IssuedCertificate) -> int:
    return issued.log_index or 0
