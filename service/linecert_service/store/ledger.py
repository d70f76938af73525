"""Decides without writing: what a claim would be answered now."""

from collections.abc import Sequence

from linecert_service.domain.errors import Refused
from linecert_service.domain.ports import Outcome
from linecert_service.domain.records import Recorded
from linecert_service.domain.requests import Claim
from linecert_service.store.answers import recorded_of
from linecert_service.store.backend import Backend
from linecert_service.store.classify import Answered, classify, replay_of
from linecert_service.store.issuers import Issuers
from linecert_service.store.lookup import standing_for
from linecert_service.store.readers import Readers
from linecert_service.store.standing import Standing


class StoreLedger:
    """See `domain.ports.Ledger`."""

    def __init__(self, backend: Backend, issuers: Issuers, readers: Readers) -> None:
        self._backend = backend
        self._issuers = issuers
        self._readers = readers

    async def replays(self, claims: Sequence[Claim], now: float) -> Sequence[Recorded | None]:
        """For each claim the answer that it has already."""
        standing = await self._standing(claims)
        return [self._replay(claim, standing, now) for claim in claims]

    async def verdicts(self, claims: Sequence[Claim], now: float) -> Sequence[Outcome | None]:
        """For each claim what an append would make of it."""
        standing = await self._standing(claims)
        return [self._verdict(claim, standing, now) for claim in claims]

    async def _standing(self, claims: Sequence[Claim]) -> Standing:
        return await self._readers.run(lambda: self._read(claims))

    def _read(self, claims: Sequence[Claim]) -> Standing:
        with self._backend.reading() as lookups:
            return standing_for(lookups, self._issuers, claims)

    def _replay(self, claim: Claim, standing: Standing, now: float) -> Recorded | None:
        try:
            replay = replay_of(claim, standing, now)
        except Refused:
            return None
        return recorded_of(replay, self._issuers) if replay else None

    def _verdict(self, claim: Claim, standing: Standing, now: float) -> Outcome | None:
        try:
            verdict = classify(claim, standing, now)
        except Refused as error:
            error.registration_key = claim.registration_key
            return error
        return recorded_of(verdict, self._issuers) if isinstance(verdict, Answered) else None
