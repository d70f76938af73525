"""Reads what stands beside a burst of claims: one look-up, and one more where work orders are in it."""

from collections.abc import Sequence

from linecert_service.domain.requests import Claim
from linecert_service.store.backend import LookupKeys, Lookups
from linecert_service.store.issuers import Issuers
from linecert_service.store.rows import order_of, stand_of
from linecert_service.store.standing import Stand, Standing, WorkOrderStand


def standing_for(lookups: Lookups, issuers: Issuers, claims: Sequence[Claim]) -> Standing:
    """What stands beside `claims`, as `lookups` sees it. Raises the driver's errors."""
    if not claims:
        return Standing()
    rows = lookups.stands(
        LookupKeys(
            devices=[claim.registration_key for claim in claims],
            requests=[(claim.station, claim.request_id) for claim in claims],
            keys=[claim.spki_sha256 for claim in claims],
        )
    )
    stands = [stand_of(row, issuers.sha256_of) for row in rows]
    return Standing(stands, _orders_for(lookups, claims, stands))


def _orders_for(lookups: Lookups, claims: Sequence[Claim], stands: Sequence[Stand]) -> list[WorkOrderStand]:
    named = [(claim.work_order, claim.registration_key) for claim in claims if claim.work_order is not None]
    # A replacement counts for the order of the device's first certificate, whether it names it or not.
    kept = {stand.record.work_order for stand in stands if stand.record.work_order is not None}
    names = kept.union(name for name, _ in named)
    if not names:
        return []
    expects: dict[str, dict[str, bytes | None]] = {name: {} for name in names}
    if named:
        for name, registration_key, spki_sha256 in lookups.expected(named):
            expects[name][registration_key] = spki_sha256
    return [order_of(row, expects[row[0]]) for row in lookups.orders(sorted(names))]
