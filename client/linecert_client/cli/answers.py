"""What goes to stdout: one line for people, or JSON for scripts."""

import dataclasses
import json
from typing import Any

import typer

from linecert_client.device_files import DeviceFiles
from linecert_client.records import issued_json, json_value
from linecert_client.results import IssuedDevice, Issuers


def print_json(value: Any) -> None:
    """Print one JSON value."""
    typer.echo(json.dumps(value, indent=2))


def print_issued(device: IssuedDevice, files: DeviceFiles | None, *, as_json: bool) -> None:
    """Say what was issued and where it was written; without files, that the request would be granted."""
    if as_json:
        key = files.key_path if files and files.key_path.exists() else None
        written = {"chain_file": str(files.chain_path), "key_file": key and str(key)} if files else {}
        print_json(issued_json(device) | {"replayed": device.replayed, "validate_only": files is None} | written)
    elif files is None:
        typer.echo(f"{device.registration_id}: the request passes every check; nothing was issued")
    else:
        again = ", given again" if device.replayed else ""
        typer.echo(f"{device.registration_id}: certificate {device.serial_number}{again} -> {files.chain_path}")


def issuers_json(issuers: Issuers) -> dict[str, Any]:
    """The issuers for scripts: certificates as PEM."""
    return {
        "station": issuers.station,
        "line": issuers.line,
        "issuers": [
            {
                "issuer_certificate_sha256": chain.issuer_certificate_sha256,
                "chain_pem": chain.pem(),
            }
            for chain in issuers.chains
        ],
        "profiles": [
            {field.name: json_value(getattr(profile, field.name)) for field in dataclasses.fields(profile)}
            for profile in issuers.profiles
        ],
    }
