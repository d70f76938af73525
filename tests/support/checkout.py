"""The files of the checkout that the tests run in."""

import subprocess
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
"""The top folder."""


def files() -> list[Path]:
    """The files that are, or with the next commit would be, in the repository; relative to the top folder.

    Skips the test where there is no repository, as in an unpacked archive.
    """
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode:
        pytest.skip("not in a git checkout", allow_module_level=True)
    return [Path(name) for name in listing.stdout.split("\0") if (ROOT / name).is_file()]
