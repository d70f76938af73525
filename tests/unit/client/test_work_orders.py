"""Work orders with the client as a library, against a real gRPC server."""

from collections.abc import Iterator

import pytest

from linecert_client import ExpectedDevice, Refused
from linecert_client.work_order_calls import MESSAGE_DEVICES, PORTION_DEVICES
from support.fake_service import fail
from support.planner import Planner
from support.planner_service import lose_done

KEY = "ab" * 32


def test_an_order_is_opened_and_read(planner: Planner) -> None:
    """What is asked for arrives, and the order comes back with state, counts and times in Python's types."""
    with planner.client() as client:
        client.open_work_order(
            "WO-1",
            500,
            profile="device",
            lines=["smt-1", "smt-2"],
            registration_id_patterns=["dev-*"],
            replacement_limit=3,
        )
        planner.service.issue_for("WO-1", "dev-1")
        order = client.get_work_order("WO-1")
    assert (order.quantity, order.issued, order.state, order.replacement_limit) == (500, 1, "open", 3)
    assert (order.lines, order.registration_id_patterns, order.profile) == (("smt-1", "smt-2"), ("dev-*",), "device")
    assert order.close_time is None


def test_opening_again_gives_the_order_as_it_stands(planner: Planner) -> None:
    """An MES may send its orders every night."""
    with planner.client() as client:
        assert client.open_work_order("WO-1", 5) == client.open_work_order("WO-1", 5)


def test_an_update_changes_what_is_named_and_nothing_else(planner: Planner) -> None:
    """The mask holds the given fields; an empty tuple takes the lines away, and None leaves them."""
    planner.service.order("WO-1", quantity=5, lines=["smt-1"], replacement_limit=2)
    with planner.client() as client:
        raised = client.update_work_order("WO-1", quantity=9)
        assert (raised.quantity, raised.lines, raised.replacement_limit) == (9, ("smt-1",), 2)
        freed = client.update_work_order("WO-1", lines=(), replacement_limit=0)
        assert (freed.quantity, freed.lines, freed.replacement_limit) == (9, (), 0)
        with pytest.raises(ValueError, match="what is to be changed"):
            client.update_work_order("WO-1")


def test_an_update_for_another_etag_is_refused(planner: Planner) -> None:
    """Two planners do not undo each other's work unnoticed."""
    old = planner.service.order("WO-1", quantity=5).etag
    with planner.client() as client:
        client.update_work_order("WO-1", quantity=6, etag=old)
        with pytest.raises(Refused) as caught:
            client.update_work_order("WO-1", quantity=6, etag=old)
    assert caught.value.reason == "WORK_ORDER_CHANGED"


def test_an_update_whose_answer_was_lost_is_no_conflict(planner: Planner) -> None:
    """The repeat meets the etag that the first attempt made, and the client sees that the order is as asked for."""
    etag = planner.service.order("WO-1", quantity=5).etag
    planner.service.script(lose_done())
    with planner.client() as client:
        assert client.update_work_order("WO-1", quantity=6, etag=etag).quantity == 6


def test_a_lost_answer_is_recognized_whatever_the_order_of_its_lists(planner: Planner) -> None:
    """The contract compares lines and patterns without their order: the service may keep those that stand."""
    etag = planner.service.order("WO-1", quantity=5, lines=["a", "b"], registration_id_patterns=["x-*", "y-*"]).etag
    planner.service.order("WO-1", quantity=6, lines=["a", "b"], registration_id_patterns=["x-*", "y-*"])
    planner.service.script(fail("UNAVAILABLE"))
    wanted = {"quantity": 6, "lines": ("b", "a", "b"), "registration_id_patterns": ("y-*", "x-*")}
    with planner.client() as client:
        assert client.update_work_order("WO-1", **wanted, etag=etag).lines == ("a", "b")


def test_an_update_that_somebody_else_overtook_is_a_conflict_though_it_was_repeated(planner: Planner) -> None:
    """A repeat does not hide that the order is another one."""
    etag = planner.service.order("WO-1", quantity=5).etag
    planner.service.order("WO-1", quantity=7)
    planner.service.script(fail("UNAVAILABLE"))
    with planner.client() as client, pytest.raises(Refused) as caught:
        client.update_work_order("WO-1", quantity=6, etag=etag)
    assert caught.value.reason == "WORK_ORDER_CHANGED"


def test_close_and_reopen(planner: Planner) -> None:
    """The state follows, and the time of closing with it."""
    planner.service.order("WO-1", quantity=5)
    with planner.client() as client:
        closed = client.close_work_order("WO-1")
        assert (closed.state, closed.close_time is not None) == ("closed", True)
        reopened = client.reopen_work_order("WO-1")
        assert (reopened.state, reopened.close_time) == ("open", None)


def test_a_list_is_read_page_by_page_and_filtered(planner: Planner) -> None:
    """Every order comes once, and state and line narrow the list down."""
    for number in range(7):
        planner.service.order(f"WO-{number}", quantity=5, lines=["smt-1"] if number % 2 else ["smt-2"])
    with planner.client() as client:
        client.close_work_order("WO-3")
        pages = list(client.list_work_orders(page_size=3))
        assert [len(page) for page in pages] == [3, 3, 1]
        assert len({order.name for page in pages for order in page}) == 7
        (closed,) = client.list_work_orders(state="closed")
        assert [order.name for order in closed] == ["WO-3"]
        (of_line,) = client.list_work_orders(line="smt-1", state="open")
        assert [order.name for order in of_line] == ["WO-1", "WO-5"]


def devices(count: int) -> Iterator[ExpectedDevice]:
    """Devices with keys."""
    return (ExpectedDevice(f"dev-{number}", KEY) for number in range(count))


def test_an_import_goes_out_in_portions_of_small_messages(planner: Planner) -> None:
    """Any number of devices fits: a call has a bounded number of them, and a message stays far below the limit."""
    planner.service.order("WO-1", quantity=5)
    told: list[int] = []
    with planner.client() as client:
        result = client.import_expected_devices("WO-1", devices(PORTION_DEVICES + 1_500), progress=told.append)
    assert planner.service.imports == [[MESSAGE_DEVICES] * 10, [MESSAGE_DEVICES, 500]]
    assert told == [PORTION_DEVICES, 1_500]
    assert (result.imported, result.already_there) == (PORTION_DEVICES + 1_500, 0)
    assert result.work_order.expected_devices == PORTION_DEVICES + 1_500
    assert planner.service.expected["WO-1"]["dev-7"] == KEY
    largest = max(request.ByteSize() for request in planner.service.requests)
    assert largest < 256 * 1024


def test_an_import_takes_devices_as_they_are_sent(planner: Planner) -> None:
    """No more than a portion is held: the iterator is not read ahead of what the service has."""
    planner.service.order("WO-1", quantity=5)
    taken = 0

    def counted() -> Iterator[ExpectedDevice]:
        nonlocal taken
        for device in devices(3 * PORTION_DEVICES):
            taken += 1
            yield device

    waiting: list[int] = []
    with planner.client() as client:
        client.import_expected_devices(
            "WO-1", counted(), progress=lambda _: waiting.append(taken - sum(map(sum, planner.service.imports)))
        )
    assert waiting == [0, 0, 0]


def test_a_portion_whose_answer_was_lost_is_sent_again(planner: Planner) -> None:
    """The whole portion arrives a second time, and is counted as what was there."""
    planner.service.order("WO-1", quantity=5)
    planner.service.script(lose_done())
    with planner.client() as client:
        result = client.import_expected_devices("WO-1", devices(1_200))
    assert planner.service.imports == [[1_000, 200], [1_000, 200]]
    assert (result.imported, result.already_there, len(planner.service.expected["WO-1"])) == (0, 1_200, 1_200)


def test_an_import_of_nothing_is_a_mistake(planner: Planner) -> None:
    """It would leave an order without a list, for which any device is issued."""
    with planner.client() as client, pytest.raises(ValueError, match="no device"):
        client.import_expected_devices("WO-1", [])


def test_expected_devices_are_read_on_where_their_stream_broke(planner: Planner) -> None:
    """Each device comes once and in order, with its key where it has one; what was received is not asked for again."""
    planner.service.order("WO-1", quantity=5)
    planner.service.expected["WO-1"] = {f"Dev-{number}": KEY if number % 2 else "" for number in range(8)}
    planner.service.script(lose_done(), lose_done())
    with planner.client() as client:
        listed = list(client.expected_devices("WO-1"))
    assert listed == [ExpectedDevice(f"dev-{number}", KEY if number % 2 else "") for number in range(8)]
    assert [request.after_registration_id for request in planner.service.requests] == ["", "dev-2", "dev-5"]


def test_an_order_without_a_list_expects_no_device_by_name(planner: Planner) -> None:
    """That is no error; an order that is not there is one."""
    planner.service.order("WO-1", quantity=5)
    with planner.client() as client:
        assert list(client.expected_devices("WO-1")) == []
        with pytest.raises(Refused) as caught:
            list(client.expected_devices("WO-2"))
    assert caught.value.reason == "WORK_ORDER_UNKNOWN"


@pytest.mark.parametrize(
    "registration_id, key", [("ends.", ""), ("", ""), ("x" * 65, ""), ("dev-1", "AB" * 32), ("dev-1", "ab")]
)
def test_a_device_is_checked_before_it_is_sent(registration_id: str, key: str) -> None:
    """Neither a wrong registration ID nor a wrong hash becomes an expected device."""
    with pytest.raises(ValueError, match=r"."):
        ExpectedDevice(registration_id, key)
