"""The options that narrow down what is meant, shared by `list`, `export` and `stats`.

Typer reads options from a signature, so the commands repeat the names; what they are is said here once.
"""

import enum
from typing import Annotated, TypeAlias

import typer

from linecert_client.cli import options
from linecert_client.filters import Filter


class State(enum.StrEnum):
    """Of a certificate."""

    ACTIVE = "active"
    REPLACED = "replaced"
    EXPIRED = "expired"


RegistrationIdPrefix: TypeAlias = Annotated[
    str | None, typer.Option("--registration-id-prefix", help="How the device's ID begins.")
]
Station: TypeAlias = Annotated[str | None, typer.Option("--station", help="The station that asked.")]
Line: TypeAlias = Annotated[str | None, typer.Option("--line", help="The line of that station.")]
PublicKey: TypeAlias = Annotated[
    str | None, typer.Option("--public-key-sha256", metavar="HEX", help="SHA-256 of the SubjectPublicKeyInfo.")
]
Attributes: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--attribute", metavar="KEY=VALUE", help="It has this value; may be repeated: all of them."),
]
StateOf: TypeAlias = Annotated[State | None, typer.Option("--state", help="The state of the certificate now.")]
AfterLogIndex: TypeAlias = Annotated[
    int | None,
    typer.Option("--after-log-index", min=0, max=options.LARGEST_COUNT, help="Only what came later in the log."),
]


def read(
    *,
    registration_id: str | None = None,
    registration_id_prefix: str | None = None,
    station: str | None = None,
    line: str | None = None,
    work_order: str | None = None,
    lot: str | None = None,
    profile: str | None = None,
    public_key_sha256: str | None = None,
    attribute: list[str] | None = None,
    state: State | None = None,
    since: options.Since = None,
    until: options.Until = None,
    after_log_index: int | None = None,
) -> Filter:
    """The filter that the options of a command make."""
    return Filter(
        registration_id=registration_id,
        registration_id_prefix=registration_id_prefix,
        station=station,
        line=line,
        work_order=work_order,
        lot=lot,
        profile=profile,
        public_key_sha256=public_key_sha256,
        attributes=options.read_attributes(attribute or ()),
        state=state and state.value,
        since=since,
        until=until,
        after_log_index=after_log_index,
    )
