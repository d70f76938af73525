"""Looks whether the issuers' keys are in reach: those that sign for the health of the server, staged ones beside it."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog

from linecert_service.domain.clock import Clock
from linecert_service.domain.errors import SignerUnavailable
from linecert_service.issuance.issuer import Issuer
from linecert_service.issuance.profile import Profile
from linecert_service.observability.metrics import Metrics

STAGED_SECONDS: Final = 30.0
"""Between two looks at the keys that sign nothing yet."""
LOOK_SECONDS: Final = 3.0
"""After so long a key is out of reach; less than `health.PROBE_TIMEOUT_SECONDS`, which ends all looks at once."""
LOOKS_AT_ONCE: Final = 64

_log = structlog.get_logger("linecert.issuers")


class IssuerKeys:
    """Looks at keys, without signing, at all of them at the same time. Belongs to the event loop.

    Args:
        profiles: those in force, which name the issuers.
        clock: the time.
        metrics: shows which keys are in reach.
        look_seconds: how long a look may take.
    """

    def __init__(
        self,
        profiles: Mapping[str, Profile],
        clock: Clock,
        metrics: Metrics,
        *,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._profiles = profiles
        self._clock = clock
        self._metrics = metrics
        self._look_seconds = look_seconds
        # Threads of its own: looks that hang must not take those that read files.
        self._threads = ThreadPoolExecutor(LOOKS_AT_ONCE, thread_name_prefix="issuer-look")
        self._under_way: dict[Issuer, asyncio.Future[None]] = {}
        self._signing_down: set[str] = set()
        self._staged_down: set[str] = set()

    async def check(self) -> None:
        """Look at the keys that sign now. One out of reach is told, and stops the profiles that it signs for only.

        Raises:
            SignerUnavailable: no profile can sign.
        """
        issuers = self._signing()
        faults = await self._look(issuers)
        _tell(_log.error, "issuer cannot sign", faults, self._signing_down)
        self._signing_down = set(faults)
        if faults and len(faults) == len(issuers):
            raise SignerUnavailable("; ".join(f"issuer {name}: {faults[name]}" for name in sorted(faults)))

    async def watch_staged(self) -> None:
        """Look at the keys that are staged, until cancelled: better now than in the night of the switch."""
        while True:
            try:
                await self._look_at_staged()
            except Exception:  # noqa: BLE001 - whatever it is, the next look may do better
                _log.exception("looking at staged issuers failed")
            await asyncio.sleep(STAGED_SECONDS)

    def close(self) -> None:
        """Begin no more looks; those under way are not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _look_at_staged(self) -> None:
        faults = await self._look(self._staged())
        _tell(_log.warning, "staged issuer cannot sign", faults, self._staged_down)
        self._staged_down = set(faults)

    async def _look(self, issuers: Iterable[Issuer]) -> dict[str, str]:
        """What is wrong with which of them, by name."""
        issuers = tuple(issuers)
        problems = await asyncio.gather(*map(self._problem, issuers))
        for issuer, problem in zip(issuers, problems, strict=True):
            self._metrics.issuer_looked_at(issuer.name, up=problem is None)
        return {issuer.name: problem for issuer, problem in zip(issuers, problems, strict=True) if problem is not None}

    async def _problem(self, issuer: Issuer) -> str | None:
        try:
            if not issuer.signer.workers:
                issuer.check()
            else:
                await self._look_elsewhere(issuer)
        except Exception as error:  # noqa: BLE001 - whatever a look meets is a state of this issuer, and not of others
            return str(error) or type(error).__name__
        return None

    async def _look_elsewhere(self, issuer: Issuer) -> None:
        # A look that hangs is waited for again, and not joined by a second one.
        look = self._under_way.get(issuer)
        if look is None:
            look = asyncio.get_running_loop().run_in_executor(self._threads, issuer.check)
            self._under_way[issuer] = look
        # Unlike `wait_for`, this leaves alone what it waits for.
        done, _ = await asyncio.wait([look], timeout=self._look_seconds)
        if not done:
            raise TimeoutError(f"no answer within {self._look_seconds:g} seconds")
        self._under_way.pop(issuer, None)
        look.result()

    def _signing(self) -> set[Issuer]:
        now = self._clock.time()
        return {profile.at(now).issuer for profile in self._profiles.values()}

    def _staged(self) -> set[Issuer]:
        now = self._clock.time()
        named = {issuer for profile in self._profiles.values() for issuer in profile.issuers_from(now)}
        return named - self._signing()


def _tell(log: Callable[..., object], event: str, faults: Mapping[str, str], before: set[str]) -> None:
    """Log the turns, and not every look."""
    for name in sorted(faults.keys() - before):
        log(event, issuer=name, problem=faults[name])
    for name in sorted(before - faults.keys()):
        _log.info("issuer in reach again", issuer=name)
