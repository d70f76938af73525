"""The settings of a server: `linecert.toml`, over it a folder of secrets, over that the environment.

Every setting may come from an environment variable: `LINECERT_` and the setting's place with `__` between its parts
(`LINECERT_SERVER__LISTEN`, `LINECERT_STORE__URL`; lists and tables as JSON), or from a file of that name in lower case
in the folder that `LINECERT_SECRETS_DIRECTORY` or systemd's `CREDENTIALS_DIRECTORY` names. Pass phrases are no
settings: see `installation.passphrases`.
"""

import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, NestedSecretsSettingsSource, SecretsSettingsSource
from pydantic_settings.exceptions import SettingsError

from linecert_service import toml_file
from linecert_service.domain.errors import ConfigurationError
from linecert_service.setting_types import (
    ConnectionTime,
    Epoch,
    FilePath,
    KeyType,
    KeyUri,
    Listen,
    LogLevel,
    Seconds,
    StoreUrl,
    Subject,
    collide,
)
from linecert_service.toml_file import Location, Name, Table

KEY_TYPES: Final[tuple[KeyType, ...]] = ("P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-4096")
"""The kinds of device keys that a profile may allow."""

ENVIRONMENT_PREFIX: Final = "LINECERT_"

DEFAULT_LISTEN: Final = "0.0.0.0:8443"  # callers are other machines, and come with certificates
DEFAULT_METRICS_LISTEN: Final = "127.0.0.1:9464"
DEFAULT_HEALTH_LISTEN: Final = "127.0.0.1:8086"


class Server(Table):
    """`[server]`: where it listens, and its side of TLS.

    Attributes:
        listen: HOST:PORT of the gRPC services, mutual TLS.
        metrics_listen: HOST:PORT of the metrics, plain HTTP.
        health_listen: HOST:PORT of gRPC health for probes that have no certificate, plaintext.
        tls_certificate, tls_key: PEM files; the certificate first, then any intermediates.
        client_ca: PEM file of the station CAs, and of nothing else.
        reflection: whether callers may list the services.
    """

    listen: Listen = DEFAULT_LISTEN
    metrics_listen: Listen = DEFAULT_METRICS_LISTEN
    health_listen: Listen = DEFAULT_HEALTH_LISTEN
    tls_certificate: FilePath
    tls_key: FilePath
    client_ca: FilePath
    reflection: bool = True

    @model_validator(mode="after")
    def _ports_of_their_own(self) -> Self:
        addresses = {"listen": self.listen, "metrics_listen": self.metrics_listen, "health_listen": self.health_listen}
        for one, other in itertools.combinations(addresses, 2):
            if collide(addresses[one], addresses[other]):
                raise ValueError(f"has the same port for {one} and {other}: give each one of its own")
        return self


class Issuer(Table):
    """`[issuers.NAME]`: an intermediate CA.

    Attributes:
        key: `file:` and the absolute path of the encrypted private key, a `pkcs11:` URI (RFC 7512), or the identifier
            of a version of a key in Azure Key Vault.
        chain: PEM file: the issuer's certificate, the intermediates above it, the root last.
        passphrase_file: file whose first line is the key's pass phrase.
        allow_plain_key: whether a key file that is not encrypted is taken.
        pin_file: file whose first line is the PIN of the token.
        workers: how many threads sign at once in a token; None: as many as there are cores.
        max_signatures_per_10s: how often a key in a vault signs at most; None: a little less than its vault allows.
    """

    key: KeyUri
    chain: FilePath
    passphrase_file: FilePath | None = None
    allow_plain_key: bool = False
    pin_file: FilePath | None = None
    workers: int | None = Field(default=None, ge=1, le=64)
    max_signatures_per_10s: int | None = Field(default=None, ge=10, le=100_000)


class Profile(Table):
    """`[profiles.NAME]`: what a device certificate looks like. Durations in seconds, times in seconds since 1970.

    Attributes:
        issuer: which of the issuers signs.
        next_issuer: which one is staged to follow it; None: none.
        switch_at: from when on that one signs; None: when the operator says so.
        validity: how long, where the request does not say; None with `not_after`.
        max_validity: the most a request may ask for; by default `validity`, None with `not_after`.
        not_after: a fixed end instead.
        backdate: how far notBefore lies in the past, for devices whose clocks are behind.
        clamp: end with the issuer instead of refusing when the issuer ends earlier.
        key_types: which device keys are taken.
        subject: attributes before the common name, in this order.
    """

    issuer: Name
    next_issuer: Name | None = None
    switch_at: Epoch | None = None
    validity: Annotated[Seconds, Field(gt=0)] | None = None
    max_validity: Annotated[Seconds, Field(gt=0)] | None = None
    not_after: Epoch | None = None
    backdate: Seconds = 5 * 60
    clamp: bool = False
    key_types: tuple[KeyType, ...] = Field(default=KEY_TYPES, min_length=1)
    subject: Subject = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _max_validity_is_validity(cls, data: Any) -> Any:
        return {"max_validity": data["validity"], **data} if isinstance(data, dict) and "validity" in data else data

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if (self.validity is None) == (self.not_after is None):
            raise ValueError("needs either validity or not_after, and not both")
        if self.not_after is not None and self.max_validity is not None:
            raise ValueError("has not_after, a fixed end: remove max_validity")
        if self.validity is not None and self.max_validity is not None and self.max_validity < self.validity:
            raise ValueError("has a max_validity below its validity: raise it, or leave it out")
        return self

    @model_validator(mode="after")
    def _switch_to_another(self) -> Self:
        if self.next_issuer == self.issuer:
            raise ValueError("has its issuer as next_issuer, too: name the one that is to follow, or remove it")
        if self.switch_at is not None and self.next_issuer is None:
            raise ValueError("has a switch_at and no next_issuer: name the issuer that is to follow, or remove it")
        return self

    def issuer_at(self, now: float) -> str:
        """Which of the issuers signs at `now`."""
        switched = self.next_issuer is not None and self.switch_at is not None and now >= self.switch_at
        return self.next_issuer if switched and self.next_issuer else self.issuer

    def issuers_from(self, now: float) -> tuple[str, ...]:
        """Which of the issuers sign at `now` or may later, the one that signs first."""
        first = self.issuer_at(now)
        return (first,) if self.next_issuer in {None, first} else (first, str(self.next_issuer))


class Store(Table):
    """`[store]`: where the log of issued certificates is kept.

    Attributes:
        url: `sqlite:///` and the absolute path of the database, or `postgresql://USER@HOST/DATABASE`. Not shown, since
            URLs may carry passwords, which belong into PGPASSFILE or `LINECERT_STORE__URL`.
    """

    url: StoreUrl = Field(repr=False)


class Log(Table):
    """`[log]`: the transparency log.

    Attributes:
        name: NAME of the origin `NAME/EPOCH`, and of the stations' identities `urn:linecert:NAME:station:...`.
        key: PEM file of its Ed25519 private key.
    """

    name: Name
    key: FilePath


class Limits(Table):
    """`[limits]`: what the server takes on at once.

    Attributes:
        pending: requests between admission and answer; None: by the kind of the CA key.
        connections: of callers, at once.
        handshake: how long a connection may take until it can carry calls.
        connection_idle: after as long without a call a connection is closed, which a client does not notice.
        connection_age: the same of one that is used: then callers find servers that were added.
    """

    pending: int | None = Field(default=None, ge=1, le=100_000)
    connections: int = Field(default=4_096, ge=1, le=1_000_000)
    handshake: ConnectionTime = 10
    connection_idle: ConnectionTime = 15 * 60
    connection_age: ConnectionTime = 60 * 60


class Settings(Table):
    """All settings of a server. Paths are absolute; what the TOML says relatively starts at the TOML's folder.

    Attributes:
        path: the TOML file.
        stations: the file that says who may call.
        denied_keys: hex SHA-256 of public keys that are refused as weak, one a line.
        own_keys: the same of keys that this installation made for itself and its callers.
        log_level: of what is logged, the least.
    """

    path: FilePath
    server: Server
    issuers: dict[Name, Issuer] = Field(min_length=1)
    profiles: dict[Name, Profile] = Field(min_length=1)
    store: Store
    log: Log
    limits: Limits = Field(default_factory=Limits)
    stations: FilePath = Field(default=Path("stations.toml"), validate_default=True)
    denied_keys: FilePath | None = None
    own_keys: FilePath | None = None
    log_level: LogLevel = "info"

    @property
    def folder(self) -> Path:
        """The folder of the TOML file."""
        return self.path.parent

    @model_validator(mode="after")
    def _issuers_exist(self) -> Self:
        for name, profile in self.profiles.items():
            for setting, issuer in (("issuer", profile.issuer), ("next_issuer", profile.next_issuer)):
                if issuer is not None and issuer not in self.issuers:
                    raise ValueError(
                        f"profiles.{name}.{setting} names no issuer: add [issuers.NAME], or name one that is there"
                    )
        return self

    def issuers_from(self, now: float) -> frozenset[str]:
        """The issuers that sign at `now` for some profile, or may later."""
        return frozenset(name for profile in self.profiles.values() for name in profile.issuers_from(now))


class _Sources(Settings, BaseSettings):  # type: ignore[misc]  # the two name one configuration class differently
    """The settings as pydantic-settings looks at them. Never made: its constructor takes no validation context."""


def load(path: Path) -> Settings:
    """Read the settings of `path`, the secrets folder and the environment.

    Raises:
        ConfigurationError: the file cannot be read, or a setting is wrong; the message names it, and no value.
    """
    return of(toml_file.read(path))


def of(document: toml_file.Document) -> Settings:
    """The settings of a TOML file that was read, the secrets folder and the environment.

    Raises:
        ConfigurationError: a setting is wrong; the message names it, and no value.
    """
    overlay = _overlay()
    data = _merged(document.data, overlay)
    if "path" in document.data:
        raise document.error(("path",), "is no setting of linecert: remove it")
    path = document.path.absolute()
    try:
        return Settings.model_validate(data | {"path": path}, context={"folder": path.parent})
    except ValidationError as error:
        location, problem = toml_file.first_problem(error)
        if _holds(overlay, location):
            raise ConfigurationError(f"environment variable or secret {_variable(location)}: {problem}") from None
        raise document.error(location, problem) from None


def secrets_folder(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The folder of secrets, one a file, that the environment names; None when it names none."""
    named = environment.get("LINECERT_SECRETS_DIRECTORY") or environment.get("CREDENTIALS_DIRECTORY")
    return Path(named) if named else None


def _overlay() -> dict[str, Any]:
    """What the secrets folder and, over it, the environment say."""
    try:
        secrets = NestedSecretsSettingsSource(
            SecretsSettingsSource(_Sources, secrets_dir=secrets_folder()),
            secrets_dir_missing="error",
            secrets_prefix=ENVIRONMENT_PREFIX,
            secrets_nested_delimiter="__",
        )()
        environment = EnvSettingsSource(_Sources, env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__")()
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(
            f"the secrets folder {secrets_folder()} holds a file that cannot be read as UTF-8 text: keep only "
            "linecert's secrets there"
        ) from None
    except SettingsError as error:
        raise ConfigurationError(
            f"settings from the environment or the secrets folder cannot be read: {error}"
        ) from None
    return _merged(secrets, environment)


def _merged(below: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in over.items():
        inner = merged.get(name)
        merged[name] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def _holds(data: Any, location: Location) -> bool:
    for part in location:
        if not isinstance(data, dict) or part not in data:
            return False
        data = data[part]
    return bool(location)


def _variable(location: Location) -> str:
    return ENVIRONMENT_PREFIX + "__".join(map(str, location)).upper()
