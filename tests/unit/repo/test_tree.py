"""What may and may not be in the repository."""

import re

from support.checkout import ROOT, files

TOP_FOLDERS = {".ci", "client", "deploy", "docs", "proto", "service", "tests"}
MAXIMUM_BYTES = 1 << 20

# Character classes keep the patterns from matching this file.
MACHINE_PATH = re.compile(r"(?<![\w.$}])(?:/(?:home|Users|root)/[a-z0-9]|[A-Z]:\\Users)")
INDEX_ADDRESS = re.compile(r"[-]-(?:extra-)?index-url|[-]-find-links|://[^/\s]+/(?:[\w/-]+/)?simple[/\s]")


def lines_matching(pattern: re.Pattern[str]) -> list[str]:
    """`FILE:LINE` of every line of a text file that matches."""
    found = []
    for path in files():
        try:
            text = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path}:{number}" for number, line in enumerate(text.splitlines(), 1) if pattern.search(line)]
    return found


def test_no_path_of_a_developers_machine() -> None:
    """Nothing works on one machine only, or tells whose it was."""
    assert not lines_matching(MACHINE_PATH)


def test_no_address_of_a_package_index() -> None:
    """Where packages come from is a setting of the machine: no file says it."""
    assert not lines_matching(INDEX_ADDRESS)


def test_patterns_find_what_they_are_for() -> None:
    """The two tests above would notice."""
    assert MACHINE_PATH.search('"' + "/home" + '/alice/linecert"')
    assert INDEX_ADDRESS.search("pip install -" + "-index-url=x")
    assert INDEX_ADDRESS.search("url = https" + "://packages.example/repository/pypi" + "/simple/")


def test_top_folders_are_those_of_the_readme() -> None:
    """A stranger finds the room: the README names each top folder, and there is no other."""
    folders = {path.parts[0] for path in files() if len(path.parts) > 1}
    assert folders == TOP_FOLDERS
    named = re.findall(r"^\| `([^`/]+)/` \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(named) == TOP_FOLDERS


def test_no_big_file() -> None:
    """Whatever is over 1 MiB does not belong into a source repository."""
    assert not [path for path in files() if (ROOT / path).stat().st_size > MAXIMUM_BYTES]


def test_links_between_documents_lead_somewhere() -> None:
    """No document points to a file that is not there."""
    broken = [
        f"{path}: {link}"
        for path in files()
        if path.suffix == ".md"
        for link in re.findall(r"\]\(([^)#\s]+)", (ROOT / path).read_text(encoding="utf-8"))
        if "://" not in link and not (ROOT / path.parent / link).exists()
    ]
    assert not broken
