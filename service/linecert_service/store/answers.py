"""From what stands to what is answered."""

from linecert_service.domain.records import Issued, Recorded
from linecert_service.store.classify import Answered
from linecert_service.store.issuers import Issuers
from linecert_service.store.standing import Stand


def issued_of(stand: Stand, issuers: Issuers) -> Issued:
    """A certificate with its chain."""
    return Issued(stand.record, stand.replaced_by, issuers.chain_of(stand.record.issuer_sha256))


def recorded_of(answered: Answered, issuers: Issuers) -> Recorded:
    """The answer to a claim."""
    return Recorded(issued_of(answered.stand, issuers), answered.replayed)
