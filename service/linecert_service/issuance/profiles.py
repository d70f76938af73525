"""The profiles in force, which may be others after a change of the settings."""

from collections.abc import Iterator, Mapping

from linecert_service.issuance.profile import Profile


class ProfileTable(Mapping[str, Profile]):
    """Profiles by name. Belongs to the event loop.

    What holds it sees a change from its next look on; what has looked a profile up goes on with that one.

    Args:
        profiles: those in force at first.
    """

    def __init__(self, profiles: Mapping[str, Profile]) -> None:
        self._profiles: Mapping[str, Profile] = {}
        self._issuer_names: dict[bytes, str] = {}
        self.replace(profiles)

    def replace(self, profiles: Mapping[str, Profile]) -> None:
        """Put others in force."""
        self._profiles = dict(profiles)
        for profile in profiles.values():
            for each in filter(None, (profile, profile.following)):
                self._issuer_names[each.issuer.sha256] = each.issuer.name

    def issuer_name(self, sha256: bytes) -> str:
        """What the issuer with this certificate hash is called, or was while profiles named it; empty: unknown."""
        return self._issuer_names.get(sha256, "")

    def __getitem__(self, name: str) -> Profile:
        return self._profiles[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._profiles)

    def __len__(self) -> int:
        return len(self._profiles)
