"""Where a page ended."""

import base64

import pytest

from linecert.v1 import error_reason_pb2 as reasons
from linecert_service.domain.errors import Refused
from linecert_service.domain.ports import IssuanceFilter
from linecert_service.domain.work_orders import OrderFilter
from linecert_service.rpc.page_tokens import name_token, page_token, read_name_token, read_page_token

WANTED = IssuanceFilter(station="station-01")


def test_token_comes_back() -> None:
    """A token names the page that follows."""
    assert read_page_token(page_token(42, WANTED), WANTED) == 42
    assert read_page_token("", WANTED) is None


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "\u00e9",
        base64.b64encode(b"1:1:0000000000000000").decode(),
        base64.b64encode(b"2:1:").decode(),
        "====",
        "\n",
    ],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    """Made-up tokens, whatever they hold."""
    with pytest.raises(Refused):
        read_page_token(token, WANTED)


@pytest.mark.parametrize("before", [1 << 63, 10**19 - 1])
def test_a_number_that_no_database_takes_is_refused(before: int) -> None:
    """Whoever computes the digest chooses the number; one beyond a BIGINT is a wrong token, and no fault of ours."""
    with pytest.raises(Refused) as caught:
        read_page_token(page_token(before, WANTED), WANTED)
    assert caught.value.reason == reasons.ERROR_REASON_PAGE_TOKEN_INVALID
    assert read_page_token(page_token((1 << 63) - 1, WANTED), WANTED) == (1 << 63) - 1


def test_token_of_another_filter_is_refused() -> None:
    """A page of one question is none of another."""
    with pytest.raises(Refused):
        read_page_token(page_token(42, WANTED), IssuanceFilter(station="station-02"))
    with pytest.raises(Refused):
        read_page_token(page_token(42, WANTED), IssuanceFilter(station="station-01", visible_to="station-01"))


@pytest.mark.parametrize("name", ["WO-17", "a:b:0123456789abcdef", "\u00e9 \U0001f4e6", "x" * 64])
def test_names_come_back(name: str) -> None:
    """Whatever a work order is called; for another question, or as a position, its token is none."""
    wanted = OrderFilter(line="line-01")
    token = name_token(name, wanted)
    assert (read_name_token(token, wanted), read_name_token("", wanted)) == (name, None)
    for other in (OrderFilter(), WANTED):
        with pytest.raises(Refused):
            read_name_token(token, other)
    with pytest.raises(Refused):
        read_page_token(token, wanted)
    with pytest.raises(Refused):
        read_name_token(page_token(1, wanted), wanted)
