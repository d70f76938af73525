"""`linecert-server issuer switch`: what it changes in the settings, what it leaves alone, and what it refuses."""

from datetime import UTC, datetime, timedelta

import pytest

from linecert_service.domain.errors import ConfigurationError
from linecert_service.installation.switch_issuer import Switched, switch
from support.installations import Installation
from support.rollover import NEXT, add_issuer, stage

NOW = datetime.now(UTC).replace(microsecond=0)
LATER = NOW + timedelta(days=30)


@pytest.fixture
def staged(installation: Installation) -> Installation:
    """An installation with a second issuer, which is staged."""
    add_issuer(installation)
    stage(installation)
    return installation


def refused(installation: Installation, problem: str, *, profile: str = "device", at: datetime | None = None) -> None:
    """Hold a switch to be refused, and the file to be left as it is."""
    before = installation.config.read_bytes()
    with pytest.raises(ConfigurationError) as caught:
        switch(installation.settings(), profile, NOW, at)
    assert problem in str(caught.value)
    assert installation.config.read_bytes() == before


def test_the_next_issuer_takes_the_place_of_the_one_before(staged: Installation) -> None:
    """All else, comments too, stays as it is."""
    before = staged.config.read_text()
    assert switch(staged.settings(), "device", NOW) == Switched("issuer", NEXT, None)
    expected = before.replace('\nissuer = "issuer"\n', f'\nissuer = "{NEXT}"\n').replace(
        f'next_issuer = "{NEXT}"\n', ""
    )
    assert staged.config.read_text() == expected
    assert staged.settings().profiles["device"].issuers_from(NOW.timestamp()) == (NEXT,)


def test_a_time_can_be_set_and_moved(staged: Installation) -> None:
    """The file then says when; a switch without a time goes before it, and takes it out."""
    for at in (LATER, LATER + timedelta(days=1)):
        assert switch(staged.settings(), "device", NOW, at) == Switched("issuer", NEXT, at)
        profile = staged.settings().profiles["device"]
        assert profile.switch_at == at.timestamp()
        assert profile.issuer_at(at.timestamp() - 1) == "issuer"
        assert profile.issuer_at(at.timestamp()) == NEXT
    assert f"switch_at = {LATER + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}\n\n# Where every" in staged.config.read_text()
    switch(staged.settings(), "device", NOW)
    assert staged.settings().profiles["device"].switch_at is None


def test_a_switch_that_is_over_is_tidied_up_and_not_put_off(staged: Installation) -> None:
    """A later time would give devices the issuer before for a while again."""
    staged.edit(f'next_issuer = "{NEXT}"\n', f'next_issuer = "{NEXT}"\nswitch_at = 2020-01-01T00:00:00Z\n')
    refused(staged, "was switched to issuer-next at 2020-01-01T00:00:00Z", at=LATER)
    switch(staged.settings(), "device", NOW)
    assert "\nswitch_at" not in staged.config.read_text()


def test_what_cannot_be_switched_is_refused(installation: Installation) -> None:
    """No such profile, nothing staged, a time that has passed."""
    refused(installation, "has device", profile="nobody")
    refused(installation, "profiles.device has no next_issuer")
    add_issuer(installation)
    stage(installation)
    refused(installation, "--at has passed", at=NOW)


def test_an_issuer_that_does_not_last_until_then_is_refused(installation: Installation) -> None:
    """Its chain must be valid when it begins to sign."""
    add_issuer(installation, days=10)
    stage(installation)
    refused(installation, "expired at", at=LATER)
    switch(installation.settings(), "device", NOW)


def test_an_issuer_that_is_not_valid_yet_is_refused(installation: Installation) -> None:
    """A server checks the chains of those that are staged when it starts, not when they begin to sign."""
    add_issuer(installation, begins=NOW + timedelta(days=10))
    stage(installation)
    refused(installation, "valid only from", at=LATER)


def test_what_the_environment_says_is_not_switched_in_the_file(
    staged: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server would go on as before, and the operator would not know why."""
    monkeypatch.setenv("LINECERT_PROFILES__DEVICE__ISSUER", "issuer")
    refused(staged, "the environment or the secrets folder")
    monkeypatch.delenv("LINECERT_PROFILES__DEVICE__ISSUER")
    staged.edit(f'next_issuer = "{NEXT}"\n', "")
    monkeypatch.setenv("LINECERT_PROFILES__DEVICE__NEXT_ISSUER", NEXT)
    refused(staged, "switch it there")
