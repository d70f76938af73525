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
    FILE_SCHEME,
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
        key: `file:` and the absolute path of the encrypted private key.
        chain: PEM file: the issuer's certificate, the intermediates above it, the root last.
        passphrase_file: file whose first line is the key's pass phrase.
    """

    key: KeyUri
    chain: FilePath
    passphrase_file: FilePath | None = None

    @property
    def key_file(self) -> Path:
        """The file of the private key."""
        return Path(self.key.removeprefix(FILE_SCHEME))


class Profile(Table):
    """`[profiles.NAME]`: what a device certificate looks like. Durations in seconds, times in seconds since 1970.

    Attributes:
        issuer: which of the issuers signs.
        validity: how long, where the request does not say; None with `not_after`.
        max_validity: the most a request may ask for; by default `validity`, None with `not_after`.
        not_after: a fixed end instead.
        backdate: how far notBefore lies in the past, for devices whose clocks are behind.
        clamp: end with the issuer instead of refusing when the issuer ends earlier.
        key_types: which device keys are taken.
        subject: attributes before the common name, in this order.
    """

    issuer: Name
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
    """

    pending: int | None = Field(default=None, ge=1, le=100_000)


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
            if profile.issuer not in self.issuers:
                raise ValueError(
                    f"profiles.{name}.issuer names no issuer: add [issuers.NAME], or name one that is there"
                )
        return self


class _Sources(Settings, BaseSettings):  # type: ignore[misc]  # the two name one configuration class differently
    """The settings as pydantic-settings looks at them. Never made: its constructor takes no validation context."""


def load(path: Path) -> Settings:
    """Read the settings of `path`, the secrets folder and the environment.

    Raises:
        ConfigurationError: the file cannot be read, or a setting is wrong; the message names it, and no value.
    """
    document = toml_file.read(path)
    overlay = _overlay()
    data = _merged(document.data, overlay)
    if "path" in document.data:
        raise document.error(("path",), "is no setting of linecert: remove it")
    folder = path.absolute().parent
    try:
        return Settings.model_validate(data | {"path": path.absolute()}, context={"folder": folder})
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
