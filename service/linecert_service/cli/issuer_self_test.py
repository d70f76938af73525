"""`linecert-server issuer self-test`."""

import contextlib
import json
import secrets
from collections.abc import Iterable
from typing import Any, Final

from rich.markup import escape
from rich.table import Column, Table

from linecert_service import config
from linecert_service.cli import options, output
from linecert_service.cli.issuer_show import OptionalName
from linecert_service.config import Settings
from linecert_service.domain.errors import ConfigurationError, LinecertError
from linecert_service.installation import chains
from linecert_service.installation.issuer_signatures import CaKey, Record
from linecert_service.installation.issuer_view import KeyView
from linecert_service.installation.report import key_type

# Begins with what no DER begins with: it can be taken for nothing that a CA signs.
_PREFIX: Final = b"linecert issuer self-test\x00"
_NONCE_OCTETS: Final = 32


def self_test(
    name: OptionalName = None, config_file: options.Config = options.CONFIG_DEFAULT, *, as_json: options.Json = False
) -> None:
    """Open the keys as a server does, sign a harmless message with each, and verify it with the issuer's certificate.

    Without NAME: the keys of all issuers that sign or are staged. One that fails keeps no other from its turn; the
    status is 1 then. The message is random behind a fixed text, and no part of a certificate. Each signature is an
    event `ca_signature` of the log: the store must be in reach, servers may run.

    Example: linecert-server issuer self-test line-3 --config linecert.toml
    """
    # Here, since most commands need no database.
    from linecert_service.cli.issuer_log import recording  # noqa: PLC0415

    settings = config.load(config_file)
    if name is not None and name not in settings.issuers:
        raise ConfigurationError("there is no such issuer: `linecert-server issuer show` lists those that there are")
    with recording(settings) as record:
        rows = [_row(settings, one, record) for one in _chosen(settings, name)]
    if as_json:
        print(json.dumps({"issuers": rows}, indent=2))
    else:
        output.console().print(_table(rows))
    if failed := [row["name"] for row in rows if not row["verifies"]]:
        raise ConfigurationError(f"not every issuer passed: see what is said of {', '.join(failed)}")


def _chosen(settings: Settings, name: str | None) -> list[str]:
    """The one that is named; else those that sign or are staged, since the keys of others may rightly be gone."""
    in_use = settings.issuers_from(options.now().timestamp()) if name is None else {name}
    return [one for one in settings.issuers if one in in_use]


def _table(rows: Iterable[dict[str, Any]]) -> Table:
    table = Table("issuer", Column("key", overflow="fold"), "key type", Column("signature", overflow="fold"))
    for row in rows:
        outcome = f"verifies, {row['milliseconds']:.1f} ms" if row["verifies"] else escape(row["problem"])
        table.add_row(row["name"], escape(row["key"]), row["key_type"], outcome)
    return table


def _row(settings: Settings, name: str, record: Record) -> dict[str, Any]:
    try:
        return _test(settings, name, record)
    except (LinecertError, OSError) as error:
        place = KeyView.of(settings.issuers[name].key)
        return {
            "name": name,
            "key": f"{place.kind}: {place.place}",
            "key_type": None,
            "verifies": False,
            "problem": str(error),
        }


def _test(settings: Settings, name: str, record: Record) -> dict[str, Any]:
    issuer = chains.load_issuer(name, settings.issuers[name], options.now().timestamp())
    place = KeyView.of(settings.issuers[name].key)
    with contextlib.closing(issuer.signer) as signer:
        key = CaKey(name, place.place, signer, record)
        seconds = key.test(_PREFIX + secrets.token_bytes(_NONCE_OCTETS), issuer.certificate)
    return {
        "name": name,
        "key": f"{place.kind}: {place.place}",
        "key_type": key_type(issuer.certificate),
        "verifies": True,
        "milliseconds": round(seconds * 1000, 3),
    }
