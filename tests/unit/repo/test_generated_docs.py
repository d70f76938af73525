"""The generated parts of the documents follow from the contract and the metrics."""

import importlib.util
import sys
from types import ModuleType

import pytest

from linecert import contract
from support.checkout import ROOT


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    """docs/generate.py, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs/generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_documents_are_up_to_date(generate: ModuleType) -> None:
    """What is committed is what `make docs` would write."""
    assert not generate.stale(), "run make docs"


def test_a_stale_document_is_noticed(generate: ModuleType) -> None:
    """A part that was edited by hand is made anew, and the text around it is kept."""
    text = "before\n<!-- generated:actions -->\n| edited |\n<!-- /generated -->\nafter\n"
    rendered = generate.render(text)
    assert rendered != text
    assert rendered == f"before\n<!-- generated:actions -->\n{generate.actions()}<!-- /generated -->\nafter\n"


def test_an_unknown_part_is_an_error(generate: ModuleType) -> None:
    """A misspelt marker does not silently stay as it is."""
    with pytest.raises(KeyError, match="mistake"):
        generate.render("<!-- generated:mistake -->\n<!-- /generated -->\n")


def test_every_marker_that_opens_is_closed(generate: ModuleType) -> None:
    """A missing end marker would let the next part swallow the text between them."""
    for name in generate.DOCUMENTS:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert text.count("<!-- generated:") == text.count("<!-- /generated -->") > 0, name


def test_the_error_table_has_every_reason_once(generate: ModuleType) -> None:
    """No reason of the contract is missing from the table that readers get."""
    table = generate.errors()
    for reason in contract.reasons():
        assert table.count(f"| `{contract.refusal(reason).name}` |") == 1


def test_group_headings_are_no_comments_of_a_reason(generate: ModuleType) -> None:
    """A comment that heads a group of reasons does not end up beside the first of them."""
    proto = """
      // NOT_FOUND, with a field.
      ERROR_REASON_ONE = 1;
      // NOT_FOUND.

      // Its own
      // comment.
      ERROR_REASON_TWO = 2;
      ERROR_REASON_THREE = 3;
    """
    assert generate.reason_comments(proto) == {
        "ERROR_REASON_ONE": "",
        "ERROR_REASON_TWO": "Its own comment.",
        "ERROR_REASON_THREE": "",
    }
