"""Looks whether the issuers' keys are in reach: those that sign for the health of the server, staged ones beside it."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final

import structlog

from linecert_service.domain.clock import Clock
from linecert_service.domain.errors import SignerUnavailable
from linecert_service.issuance.issuer import Issuer
from linecert_service.issuance.profile import Profile
from linecert_service.observability.metrics import Metrics

STAGED_SECONDS: Final = 30.0
"""Between two looks at the keys that sign nothing yet."""

_log = structlog.get_logger("linecert.issuers")


class IssuerKeys:
    """Looks at keys, without signing. Belongs to the event loop.

    Args:
        profiles: those in force, which name the issuers.
        clock: the time.
        metrics: shows which keys are in reach.
    """

    def __init__(self, profiles: Mapping[str, Profile], clock: Clock, metrics: Metrics) -> None:
        self._profiles = profiles
        self._clock = clock
        self._metrics = metrics
        self._out_of_reach: set[str] = set()

    async def check(self) -> None:
        """Look at the keys that sign now.

        Raises:
            SignerUnavailable: one of them is out of reach.
        """
        if faults := await self._look(self._signing()):
            raise next(iter(faults.values()))

    async def watch_staged(self) -> None:
        """Look at the keys that are staged, until cancelled: better now than in the night of the switch."""
        while True:
            try:
                await self._look_at_staged()
            except Exception:  # noqa: BLE001 - whatever it is, the next look may do better
                _log.exception("looking at staged issuers failed")
            await asyncio.sleep(STAGED_SECONDS)

    async def _look_at_staged(self) -> None:
        faults = await self._look(self._staged())
        for name in faults.keys() - self._out_of_reach:
            _log.warning("staged issuer cannot sign", issuer=name, problem=faults[name].message)
        self._out_of_reach = set(faults)

    async def _look(self, issuers: Iterable[Issuer]) -> dict[str, SignerUnavailable]:
        faults = {}
        for issuer in issuers:
            try:
                # A look at a key that lives elsewhere may take its time.
                await asyncio.to_thread(issuer.check) if issuer.signer.workers else issuer.check()
            except SignerUnavailable as fault:
                faults[issuer.name] = fault
            self._metrics.issuer_looked_at(issuer.name, up=issuer.name not in faults)
        return faults

    def _signing(self) -> set[Issuer]:
        now = self._clock.time()
        return {profile.at(now).issuer for profile in self._profiles.values()}

    def _staged(self) -> set[Issuer]:
        now = self._clock.time()
        named = {issuer for profile in self._profiles.values() for issuer in profile.issuers_from(now)}
        return named - self._signing()
