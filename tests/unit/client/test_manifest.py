"""The manifest of a batch: what is read, and that every error names file and line before anything is sent."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from linecert_client import InputFileError, ReplacementReason, keys
from linecert_client.batch import checks
from linecert_client.batch.devices import Device
from linecert_client.batch.manifest import open_manifest
from linecert_client.csv_files import PROBLEMS_KEPT
from linecert_client.keys import KeyType
from linecert_client.progress import silent
from linecert_client.wishes import Wishes

KEY = keys.generate(KeyType.P256)
NONE = Wishes(profile=None, work_order=None, lot=None, attributes={}, validity=None, reason=None)
UUID = "9b2c7a54-6a58-4e0e-9f0c-0d5b7a6f1c11"
HEADING = "registration_id,profile,work_order,lot,validity,replacement_reason,request_id,attr.fw_version,attr.shift"
LINE = f"dev-1,device,WO-1,L1,365d,KEY_COMPROMISE,{UUID},1.2,"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the manifest is."""
    return tmp_path / "devices.csv"


def devices(path: Path, text: str | bytes, defaults: Wishes = NONE) -> list[Device]:
    """What a manifest says, once it has passed the checks."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    manifest = open_manifest([path], defaults)
    assert checks.check(manifest, silent) == len(list(manifest.read()))
    return list(manifest.read())


def problem(path: Path, text: str | bytes) -> InputFileError:
    """The error that checking the text ends with."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputFileError) as caught:
        checks.check(open_manifest([path], NONE), silent)
    return caught.value


def csr(path: Path, name: str) -> Path:
    """A CSR in a file."""
    path.write_bytes(keys.make_csr(KEY, name))
    return path


@pytest.mark.parametrize(
    "text",
    [
        f"{HEADING}\n{LINE}\n",
        "\ufeff" + f"{HEADING}\r\n{LINE}\r\n".replace(",", ";"),
        json.dumps(
            {
                "registration_id": "dev-1",
                "profile": "device",
                "order": "WO-1",
                "lot": "L1",
                "validity": "365d",
                "replacement_reason": "key-compromise",
                "request_id": UUID,
                "attributes": {"fw_version": "1.2"},
            }
        ),
    ],
    ids=["csv", "semicolons", "json-lines"],
)
def test_what_a_line_may_say(path: Path, text: str) -> None:
    """A CSV and JSON lines say the same."""
    (device,) = devices(path, text)
    assert device == Device(
        file=path,
        line=device.line,
        registration_id="dev-1",
        csr=None,
        request_id=UUID,
        wishes=Wishes(
            profile="device",
            work_order="WO-1",
            lot="L1",
            attributes={"fw_version": "1.2"},
            validity=timedelta(days=365),
            reason=ReplacementReason.KEY_COMPROMISE,
        ),
    )


def test_options_hold_for_what_a_line_leaves_open(path: Path) -> None:
    """A cell goes over the option; attributes of both are traced."""
    defaults = Wishes(
        profile="device", work_order="WO-9", lot="L9", attributes={"a": "1", "b": "1"}, validity=None, reason=None
    )
    first, second = devices(path, "registration_id,lot,attr.b\ndev-1,L1,2\ndev-2,,\n", defaults)
    assert (first.wishes.work_order, first.wishes.lot, first.wishes.attributes) == ("WO-9", "L1", {"a": "1", "b": "2"})
    assert second.wishes == defaults


def test_csrs_are_found_beside_the_manifest(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path starts at the manifest, wherever the command runs."""
    folder = path.parent / "csrs"
    folder.mkdir()
    csr(folder / "1.pem", "dev-1")
    monkeypatch.chdir("/")
    (device,) = devices(path, "csr\ncsrs/1.pem\n")
    assert (device.csr, device.registration_id) == (folder / "1.pem", None)


def test_a_folder_of_csrs_and_a_list_of_them(tmp_path: Path) -> None:
    """What the shell makes of a pattern, or the folder itself; keys and chains beside the CSRs are passed over."""
    csrs = [csr(tmp_path / name, f"dev-{number}") for number, name in enumerate(["a.csr.pem", "b.csr", "c.CSR"])]
    (tmp_path / "a.key.pem").write_bytes(keys.key_to_pem(KEY))
    for paths in [tmp_path], csrs:
        manifest = open_manifest(paths, NONE)
        assert checks.check(manifest, silent) == 3
        assert [device.csr for device in manifest.read()] == csrs


def test_a_single_csr_is_no_csv(tmp_path: Path) -> None:
    """A pattern may match one file only."""
    manifest = open_manifest([csr(tmp_path / "a.csr.pem", "dev-1")], NONE)
    assert checks.check(manifest, silent) == 1


def test_a_folder_without_csrs_is_told(tmp_path: Path) -> None:
    """Nothing to do is rarely meant."""
    with pytest.raises(InputFileError, match="there is no CSR in it"):
        open_manifest([tmp_path], NONE)


def test_wrong_csrs_of_a_folder_are_named(tmp_path: Path) -> None:
    """By their own names, for want of lines."""
    for name in "ab":
        csr(tmp_path / f"{name}.csr", "dev-1")
    (tmp_path / "c.csr").write_bytes(keys.key_to_pem(KEY))
    with pytest.raises(InputFileError) as caught:
        checks.check(open_manifest([tmp_path], NONE), silent)
    assert caught.value.problems == (
        f"{tmp_path / 'b.csr'}: the same device as in {tmp_path / 'a.csr'}",
        f"{tmp_path / 'c.csr'}: holds a private key; a CSR file must hold the CSR alone",
    )


@pytest.mark.parametrize(
    "text, meant",
    [
        ("registration_id\ndev-1\nDEV-1\n", ":3: the same device as in line 2"),
        (f"registration_id,request_id\nd-1,{UUID}\nd-2,{UUID}\n", ":3: the same request_id as in line 2"),
        ("registration_id,request_id\ndev-1,x\n", ":2: request_id is no UUID"),
        ("registration_id,request_id\ndev-1," + UUID.upper() + "\n", ":2: request_id is no UUID in lower case"),
        ("registration_id\ndev_1_\n", ":2: no registration ID: its last character"),
        ("lot\nL1\n", ":2: no registration ID: it is empty"),
        ("registration_id,csr\ndev-1,\n", ":2: csr is empty"),
        ("csr\nmissing.pem\n", "missing.pem: no such file"),
        ("registration_id,validity\ndev-1,1 year\n", ":2: validity: expected a whole number and a unit"),
        ("registration_id,replacement_reason\ndev-1,why\n", ":2: replacement_reason must be one of rework"),
        ("registration_id,attr.\ndev-1,x\n", ":2: the name of an attribute"),
        ("registration_id,atr.x\ndev-1,x\n", "unknown column 'atr.x'"),
        ("registration_id\n", "there is no device in it"),
        ('{"registration_id": "dev-1"}\n{"csr": 1}\n', ":2: csr must be a text"),
        ('{"registration_id": "dev-1", "lots": "1"}\n', ":1: unknown name 'lots'"),
        ('{"registration_id": "dev-1", "registration_id": "dev-2"}\n', ":1: a name stands twice"),
        ('{"registration_id": "dev-1", "lot": "\\ud800"}\n', ":1: lot has half of a surrogate pair"),
        ('{"registration_id": "dev-1"}\n[]\n', ":2: is not a JSON object"),
        ('{"registration_id": "dev-1"}\n{"registration_id": \n', ":2: is not a JSON object"),
        ('{"registration_id": "dev-1", "attributes": ["x"]}\n', ":1: attributes must be an object"),
    ],
)
def test_each_error_names_its_line(path: Path, text: str, meant: str) -> None:
    """And what is wrong there."""
    assert meant in problem(path, text).message


def test_all_wrong_lines_are_named(path: Path) -> None:
    """Up to twenty; then how many more there are."""
    csr(path.parent / "1.pem", "dev-1")
    error = problem(path, "csr\n" + "1.pem\n" * 30)
    assert "29 lines are wrong" in error.message
    assert error.problems[0] == f"{path}:3: the same device as in line 2"
    assert error.problems[-1] == f"{path}: and {29 - PROBLEMS_KEPT} more"


def test_the_csr_of_another_device_is_told(path: Path) -> None:
    """As is one that is none, and one with a key beside it."""
    csr(path.parent / "1.pem", "dev-1")
    (path.parent / "2.pem").write_bytes(b"swordfish")
    (path.parent / "3.pem").write_bytes(keys.make_csr(KEY, "dev-3") + keys.key_to_pem(KEY))
    (path.parent / "4.pem").write_bytes(b"0" * 20_000)
    error = problem(path, "registration_id,csr\ndev-2,1.pem\n,2.pem\ndev-3,3.pem\n,4.pem\n")
    for text, meant in zip(
        error.problems,
        [":2: .*is the CSR of another device than dev-2", ":3: .*holds no CSR", ":4: .*private key", ":5: .*more than"],
        strict=True,
    ):
        assert re.search(meant, text)
    assert "swordfish" not in str(error.problems)


def test_devices_with_and_without_csrs_are_two_manifests(path: Path) -> None:
    """A CSR that was forgotten would get the device a key of the station's making."""
    csr(path.parent / "1.pem", "dev-1")
    assert (
        ":2: has a csr where the first line has none"
        in problem(path, '{"registration_id": "dev-2"}\n{"csr": "1.pem"}\n').message
    )
