"""Sees that profiles change and that their issuers are switched, and tells the log, the metrics and the operators."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

import structlog

from linecert_service.domain.clock import ClockGuard
from linecert_service.domain.errors import Refused
from linecert_service.domain.ports import ProfileLog
from linecert_service.issuance.issuer import Issuer
from linecert_service.issuance.profile import Profile
from linecert_service.issuance.profile_changes import changes
from linecert_service.observability.metrics import Metrics

_log = structlog.get_logger("linecert.issuers")

_InForce = Mapping[str, tuple[Profile, Profile]]
"""Each profile by its name: as the settings say, and as it is in force now."""


class ProfileWatch:
    """Looks at the profiles every second. Belongs to the event loop.

    A certificate gets the issuer that its profile has at the time of its request, by the same clock and whether anybody
    looks or not: nothing is switched here.

    Args:
        profiles: those of the settings; others may be put in force at any time.
        log: what the log knows of profiles.
        guard: the time, as far as it may be trusted.
        metrics: shows issuers.
    """

    def __init__(self, profiles: Mapping[str, Profile], log: ProfileLog, guard: ClockGuard, metrics: Metrics) -> None:
        self._profiles = profiles
        self._log = log
        self._guard = guard
        self._metrics = metrics
        self._seen: _InForce | None = None
        self._told: _InForce | None = None
        self._issuers: set[str] = set()
        self._short: set[tuple[str, str]] | None = None

    async def look(self) -> None:
        """Look once. What the log cannot be told now it is told at the next look."""
        try:
            now = self._guard.now()
        except Refused:
            # Nothing is issued either until the clock can be trusted.
            return
        in_force = {name: (profile, profile.at(now)) for name, profile in self._profiles.items()}
        if in_force != self._seen:
            self._note(self._seen or {}, in_force, now)
            self._seen = in_force
        self._look_at_ends(in_force, now)
        if in_force != self._told:
            await self._tell(in_force, now)

    async def _tell(self, in_force: _InForce, now: float) -> None:
        profiles = {name: profile for name, (profile, _) in in_force.items()}
        try:
            await self._log.tell(partial(changes, profiles=profiles, now=now))
        except Refused:
            return
        self._told = in_force

    def _note(self, before: _InForce, after: _InForce, now: float) -> None:
        for name, (_, profile) in after.items():
            old = before[name][1].issuer if name in before else profile.issuer
            if old.sha256 != profile.issuer.sha256:
                _log.info("issuer switched", profile=name, issuer=profile.issuer.name, before=old.name)
        issuers = {name: profile.issuers_from(now) for name, (profile, _) in after.items()}
        self._metrics.show_profile_issuers(
            {name: each[0].name for name, each in issuers.items()},
            {name: each[1].name for name, each in issuers.items() if len(each) > 1},
        )
        self._show_issuers({issuer.name: issuer for each in issuers.values() for issuer in each})

    def _show_issuers(self, issuers: Mapping[str, Issuer]) -> None:
        for name in self._issuers.difference(issuers):
            self._metrics.issuer_gone(name)
        for name, issuer in issuers.items():
            self._metrics.issuer_not_after(name, issuer.not_after)
        self._issuers = set(issuers)

    def _look_at_ends(self, in_force: _InForce, now: float) -> None:
        """Warn when an issuer's end comes nearer than a profile reaches. At the start `installation.trust` warns."""
        short = set()
        for name, (configured, profile) in in_force.items():
            self._metrics.profile_not_after(name, profile.end(now))
            for place, issuer in enumerate(configured.issuers_from(now)):
                begin = max(now, configured.switch_at or 0) if place else now
                if profile.end(begin) > issuer.not_after:
                    short.add((name, issuer.name))
                    if self._short is not None and (name, issuer.name) not in self._short:
                        _warn(profile, issuer)
        self._short = short


def _warn(profile: Profile, issuer: Issuer) -> None:
    consequence = "certificates end with it" if profile.clamp else "requests are refused with VALIDITY_EXCEEDS_ISSUER"
    _log.warning(
        "issuer ends before its certificates would",
        profile=profile.name,
        issuer=issuer.name,
        ends=datetime.fromtimestamp(issuer.not_after, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        consequence=consequence,
        action="stage a next_issuer that lasts",
    )
