"""Exports: complete or not there, resumable, harmless to spreadsheets."""

import csv
import json
from pathlib import Path

import grpc
import pytest
from cryptography import x509

from linecert_client.exports import formats
from support.auditor import Auditor
from support.fake_service import fail
from support.ledger import certificate_entry

_FORMATS = ("jsonl", "csv", "log")


def export(auditor: Auditor, form: str, *arguments: str, code: int = 0) -> Path:
    """`linecert export` into the folder beside the client's."""
    out = auditor.folder.parent / f"export.{form}"
    auditor.run("export", "--format", form, "--out", str(out), *arguments, code=code)
    return out


def test_jsonl(auditor: Auditor) -> None:
    """One JSON object a certificate, oldest first, with the certificate in PEM form."""
    records = [json.loads(line) for line in export(auditor, "jsonl").read_text().splitlines()]
    assert [record["registration_id"] for record in records] == [f"device-{number}" for number in range(10)]
    assert x509.load_pem_x509_certificate(records[0]["certificate_pem"].encode())


def test_csv(auditor: Auditor) -> None:
    """One row a certificate under a header, the log index first."""
    with export(auditor, "csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["log_index"] for row in rows] == [str(number) for number in range(10)]
    assert rows[0]["registration_id"] == "device-0"
    assert json.loads(rows[0]["attributes"]) == {"board": "B1"}
    assert rows[0]["issue_time"] == "2026-01-31T06:00:00Z"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum", "\t=1", "\r=1"])
def test_a_cell_is_no_formula(auditor: Auditor, text: str) -> None:
    """A text that a spreadsheet would take for a formula begins with an apostrophe; others stay as they are."""
    assert formats.harmless(text) == f"'{text}"
    assert formats.harmless("a=1") == "a=1"
    auditor.service.ledger.append(*certificate_entry("device-10", lot=text))
    with export(auditor, "csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.DictReader(file))[-1]["lot"] == f"'{text}"


def test_pem(auditor: Auditor) -> None:
    """One file a certificate, under safe names; the notes of the export are gone at the end."""
    auditor.service.ledger.append(*certificate_entry("-a:b"))
    out = export(auditor, "pem")
    assert sorted(path.name for path in out.iterdir()) == sorted(
        ["%2Da%3Ab.pem", *(f"device-{number}.pem" for number in range(10))]
    )
    assert x509.load_pem_x509_certificate((out / "device-3.pem").read_bytes())


def test_generations_have_names_of_their_own(auditor: Auditor) -> None:
    """Certificates of one device do not overwrite each other, nor those of a device with a similar ID."""
    leaf, certificate = certificate_entry("device-0", replacement_reason="LOST")
    auditor.service.ledger.append(leaf.replace(b'"generation":1', b'"generation":2'), certificate)
    auditor.service.ledger.append(*certificate_entry("device-0.2"))
    names = {path.name for path in export(auditor, "pem").iterdir()}
    assert {"device-0.pem", "device-0~2.pem", "device-0.2.pem"} <= names


def test_log_verifies_offline(auditor: Auditor) -> None:
    """What is exported as log verifies with the key alone."""
    auditor.service.ledger.event("service_started")
    auditor.service.ledger.checkpoint()
    out = export(auditor, "log")
    report = auditor.verify("--log", str(out))
    assert (report["leaves"], report["certificates"]) == (11, 10)


@pytest.mark.parametrize("form", _FORMATS)
def test_a_stream_that_breaks_is_one_export(auditor: Auditor, form: str) -> None:
    """A stream that breaks goes on, without a record twice or missing."""
    whole = export(auditor, form).read_bytes()
    auditor.service.break_after = [2, 1]
    assert export(auditor, form).read_bytes() == whole


@pytest.mark.parametrize("form", [*_FORMATS, "pem"])
def test_an_interrupted_export_goes_on(auditor: Auditor, form: str) -> None:
    """After an interruption no file has the export's name; the same command completes it from where it was."""
    auditor.service.break_after = [2]
    auditor.service.break_status = grpc.StatusCode.PERMISSION_DENIED
    out = export(auditor, form, code=6)
    assert form == "pem" or not out.exists()
    resumed = _content(export(auditor, form))
    last = auditor.service.requests[-1]
    assert (last.start_index if form == "log" else last.filter.after_log_index + 1) == 6
    assert resumed == _content(export(auditor, form))
    assert sorted(path.name for path in out.parent.iterdir()) == ["auditor", out.name]


def _content(out: Path) -> object:
    if out.is_dir():
        return {path.name: path.read_bytes() for path in out.iterdir()}
    return out.read_bytes()


@pytest.mark.parametrize("form", _FORMATS)
@pytest.mark.parametrize("torn", [1, 20, 400])
def test_a_torn_line_is_cut_off(auditor: Auditor, form: str, torn: int) -> None:
    """A line that a crash tore is written anew, whole."""
    out = export(auditor, form)
    whole = out.read_bytes()
    question = {"format": form, "filter": {}}
    part = whole[: len(whole) // 2] if form != "log" else b"".join(whole.splitlines(keepends=True)[:4])
    part = part[: part.rfind(b"\n") + 1]
    out.unlink()
    out.with_name(f"{out.name}.part").write_bytes(part + whole[len(part) : len(part) + torn])
    out.with_name(f"{out.name}.part.json").write_text(json.dumps(question))
    assert export(auditor, form).read_bytes() == whole


def test_another_question_does_not_go_on(auditor: Auditor) -> None:
    """An interrupted export with other filters is not mixed with this one; --restart forgets it."""
    out = auditor.folder.parent / "export.jsonl"
    out.with_name("export.jsonl.part").write_bytes(b"")
    out.with_name("export.jsonl.part.json").write_text(json.dumps({"format": "jsonl", "filter": {"line": "x"}}))
    export(auditor, "jsonl", code=4)
    assert not out.exists()
    assert export(auditor, "jsonl", "--restart").read_text().count("\n") == 10


def test_the_filter_is_sent(auditor: Auditor) -> None:
    """An export takes the filters of `list`; the whole log takes none, since a part could not be verified."""
    assert export(auditor, "jsonl", "--line", "smt-9").read_bytes() == b""
    assert auditor.requests("ExportIssuedCertificatesRequest")[0].filter.line == "smt-9"
    export(auditor, "log", "--line", "smt-2", code=2)


def test_a_folder_that_is_none(auditor: Auditor) -> None:
    """A file in the place of the folder is said so."""
    (auditor.folder.parent / "export.pem").write_text("")
    export(auditor, "pem", code=4)


def test_refused(auditor: Auditor) -> None:
    """A refusal of the service ends the export with its exit code, and leaves nothing under its name."""
    auditor.service.script(fail("PERMISSION_DENIED"))
    assert not export(auditor, "log", code=6).exists()
