"""`linecert verify`: the log against the service, or against nothing but its key."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import typer

from linecert_client import outputs
from linecert_client.audit import keys, memory
from linecert_client.cli import options, progress, verdict
from linecert_client.cli.session import reporting, session
from linecert_client.client import Client
from linecert_client.errors import ConfigurationError
from linecert_client.progress import Progress

if TYPE_CHECKING:
    from linecert.transparency import VerifierKey
    from linecert_client.audit.certificates import Subject
    from linecert_client.audit.findings import Report


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(verify)


def verify(
    context: typer.Context,
    *,
    log: Annotated[
        Path | None, typer.Option("--log", exists=True, dir_okay=False, help="Verify this exported log, offline.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            metavar="FILE|KEY",
            help="The log's verifier keys, current first; else log.pub beside client.toml.",
        ),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", exists=True, dir_okay=False, help="With --log: checkpoints kept elsewhere."),
    ] = None,
    issuer_chain: Annotated[
        list[Path] | None,
        typer.Option(
            "--issuer-chain", exists=True, dir_okay=False, help="Issuers, PEM: verify certificate signatures too."
        ),
    ] = None,
    serial: Annotated[str | None, typer.Option("--serial", help="Verify that this certificate is in the log.")] = None,
    registration_id: Annotated[
        str | None, typer.Option("--registration-id", help="The same for the newest certificate of a device.")
    ] = None,
    chain: Annotated[
        Path | None, typer.Option("--chain", exists=True, dir_okay=False, help="The same for the first in this file.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Read all leaves, also those verified before.")] = False,
    accept_epoch: Annotated[
        int,
        typer.Option("--accept-epoch", min=1, help="Go on though epoch N began from a backup.", show_default=False),
    ] = 1,
    trust_on_first_use: Annotated[
        bool, typer.Option("--trust-on-first-use", help="Without a key: take the service's and write log.pub.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Verify the transparency log: that it only grew, and that its leaves are what was signed.

    Against the service, it begins where the last run ended (verified.json beside client.toml) and reads what is new.
    With --log it needs no service, only the verifier key: it reads the file that `linecert export --format log` wrote.
    Exit code 8 says that something does not hold.
    """
    named = [option for option in (serial, registration_id, chain) if option is not None]
    if len(named) > 1 or (log and (named or full or trust_on_first_use)):
        raise typer.BadParameter("give one of --log, --serial, --registration-id and --chain; --log reads everything")
    if checkpoint and not log:
        raise typer.BadParameter("--checkpoint goes with --log; the service is held against what is remembered")
    if log:
        with reporting(context, as_json=as_json):
            stated = key or str(context.obj / keys.FILE_NAME)
            report = _offline(log, stated, checkpoint or (), issuer_chain or (), accept_epoch, as_json=as_json)
        verdict.give(report, as_json=as_json)
        return
    with session(context, as_json=as_json) as client:
        visit = _Visit(client, context.obj, issuer_chain or (), accept_epoch, as_json=as_json)
        visit.take_keys(key, trust=trust_on_first_use)
        subject = _subject(client, serial, registration_id, chain) if named else None
        report = visit.verify(subject, full=full)
    verdict.give(report, as_json=as_json)


def _offline(
    log: Path,
    stated_keys: str,
    checkpoints: Sequence[Path],
    issuer_chains: Sequence[Path],
    accept_epoch: int,
    *,
    as_json: bool,
) -> "Report":
    from linecert_client.audit.certificates import issuers_in  # noqa: PLC0415 - only this command pays for its start
    from linecert_client.audit.offline import Evidence, verify_file  # noqa: PLC0415 - as above

    evidence = Evidence(
        keys=keys.read_keys(stated_keys),
        checkpoints=checkpoints,
        issuers=issuers_in(issuer_chains),
        accept_epoch=accept_epoch,
    )
    with progress.bar("verifying", log.stat().st_size, as_json=as_json, unit="bytes") as done:
        return verify_file(log, evidence, done)


class _Visit:
    """A verification of the service.

    Args:
        client: of the service.
        folder: of the client: its log.pub and verified.json are used.
        issuer_chains: files with issuers that the service may not name any more.
        accept_epoch: as in `Trust`.
        as_json: a script reads along.
    """

    def __init__(
        self, client: Client, folder: Path, issuer_chains: Sequence[Path], accept_epoch: int, *, as_json: bool
    ) -> None:
        self._client = client
        self._folder = folder
        self._issuer_chains = issuer_chains
        self._accept_epoch = accept_epoch
        self._as_json = as_json
        self._keys: tuple[VerifierKey, ...] = ()
        self._first_use = False

    def take_keys(self, stated: str | None, *, trust: bool) -> None:
        """The keys that are named, those in log.pub, or where that is asked for those that the service names."""
        path = self._folder / keys.FILE_NAME
        self._first_use = trust and not stated and not path.exists()
        if self._first_use:
            self._keys = keys.parse_keys(self._client.log_info().verifier_keys, "the service's answer")
        elif stated or path.exists():
            self._keys = keys.read_keys(stated or str(path))
        else:
            raise ConfigurationError(
                f"{path}: there is no such file; get pki/log.pub from the operator (or give --trust-on-first-use)"
            )

    def verify(self, subject: "Subject | None", *, full: bool) -> "Report":
        """Verify that one certificate is in the log, or all that is new in it."""
        from linecert_client.audit.certificates import issuers_in, issuers_of  # noqa: PLC0415 - as above
        from linecert_client.audit.online import LogVerifier, Trust  # noqa: PLC0415 - as above

        issuers = {} if subject else issuers_in(self._issuer_chains) | issuers_of(self._client.issuers())
        trust = Trust(
            keys=self._keys,
            memory=self._folder / memory.FILE_NAME,
            issuers=issuers,
            accept_epoch=self._accept_epoch,
        )
        verifier = LogVerifier(self._client, trust)
        if subject:
            report = verifier.verify_certificate(subject)
        else:
            with _Bar(as_json=self._as_json) as reading:
                report = verifier.verify_leaves(full=full, reading=reading)
        if self._first_use and report.verified:
            self._keep_keys(report)
        return report

    def _keep_keys(self, report: "Report") -> None:
        path = self._folder / keys.FILE_NAME
        outputs.write(path, "".join(f"{key}\n" for key in self._keys).encode())
        report.note(
            f"the key was taken from the service itself and written to {path}: compare it with the operator's "
            "pki/log.pub, since this run proves nothing about who holds it"
        )


def _subject(client: Client, serial: str | None, registration_id: str | None, chain: Path | None) -> "Subject":
    from linecert_client.audit.certificates import Subject  # noqa: PLC0415 - as above

    if chain:
        return Subject.from_file(chain)
    return Subject.from_answer(client.get(serial_number=serial, registration_id=registration_id))


class _Bar:
    """The progress bar of a reading; a context manager.

    Args:
        as_json: a script reads along: no bar.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def start(self, leaves: int) -> Progress:
        """The bar of so many leaves."""
        return self._stack.enter_context(progress.bar("verifying", leaves, as_json=self._as_json))
