"""Order inside and among sessions, from columns in file order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from datasets.reading.ordering import CodedIds, EqualTimes, EventColumns, OrderedLog, order_events


def coded(values: list[str]) -> CodedIds:
    ids = list(dict.fromkeys(values))
    codes = np.array([ids.index(value) for value in values], dtype=np.int32)
    return CodedIds(codes, np.array(ids, dtype=np.str_))


def order(
    rows: list[tuple[str, str]],
    times: list[float] | None = None,
    positions: list[int] | None = None,
    equal_times: EqualTimes = "detect",
) -> OrderedLog:
    return order_events(
        EventColumns(
            sessions=coded([session for session, _ in rows]),
            items=coded([item for _, item in rows]),
            # Each row carries its number, so that the other columns can be seen to follow it.
            rewards=np.arange(len(rows), dtype=np.float32),
            times=None if times is None else np.array(times),
            positions=None if positions is None else np.array(positions),
            propensities=np.arange(len(rows), dtype=np.float32),
        ),
        equal_times,
    )


def sessions_of(ordered: OrderedLog) -> dict[str, list[str]]:
    log = ordered.log
    return {
        str(log.session_ids[s]): [
            str(log.item_ids[code]) for code in log.items[log.offsets[s] : log.offsets[s + 1]]
        ]
        for s in range(log.n_sessions)
    }


def test_rows_of_a_session_are_gathered_and_sessions_go_by_start_time() -> None:
    rows = [("b", "z"), ("a", "y"), ("b", "x"), ("a", "w")]
    ordered = order(rows, times=[4, 3, 2, 1])
    assert list(sessions_of(ordered).items()) == [("a", ["w", "y"]), ("b", ["x", "z"])]
    assert ordered.log.rewards.tolist() == [3, 1, 2, 0]
    assert ordered.log.propensities is not None
    assert ordered.log.propensities.tolist() == [3, 1, 2, 0]
    assert ordered.log.times is not None
    assert ordered.log.times.tolist() == [1, 3, 2, 4]
    assert (ordered.order, ordered.equal_time_share) == ("time", 0.0)


def test_sessions_that_start_together_keep_the_order_of_the_file() -> None:
    rows = [("z", "i"), ("m", "i"), ("a", "i")]
    assert list(sessions_of(order(rows, times=[5, 5, 5]))) == ["z", "m", "a"]


def test_position_breaks_ties_of_time_and_time_goes_first() -> None:
    rows = [("s", "c"), ("s", "b"), ("s", "a")]
    ordered = order(rows, times=[1, 1, 0], positions=[2, 1, 9])
    assert sessions_of(ordered) == {"s": ["a", "b", "c"]}
    assert ordered.equal_time_share == 0.5
    assert ordered.note == "order inside a session: by time, then by position"


def test_position_alone_orders_events_and_the_file_orders_sessions() -> None:
    rows = [("z", "b"), ("a", "d"), ("z", "a"), ("a", "c")]
    ordered = order(rows, positions=[1, 1, 0, 0])
    assert list(sessions_of(ordered).items()) == [("z", ["a", "b"]), ("a", ["c", "d"])]
    assert (ordered.order, ordered.equal_time_share) == ("position", None)


def test_without_time_and_position_events_stand_as_in_the_file() -> None:
    ordered = order([("z", "b"), ("a", "d"), ("z", "a"), ("a", "c")])
    assert list(sessions_of(ordered).items()) == [("z", ["b", "a"]), ("a", ["d", "c"])]
    assert (ordered.order, ordered.equal_time_share) == ("file", None)
    assert ordered.note == "no time or position column: events stand in file order"


def test_equal_times_stand_in_file_order_if_that_is_not_the_order_of_ids() -> None:
    items = [str(n * 37 % 50) for n in range(50)]
    ordered = order([("s", item) for item in items], times=[7] * 50)
    assert sessions_of(ordered)["s"] == items
    assert ordered.note == (
        "order inside a session: by time; 100.0 % of neighbours share a time and stand in file "
        "order"
    )


def test_equal_times_in_the_order_of_numeric_ids_are_shuffled() -> None:
    # As text these would not ascend: '9' > '10'.
    items = [str(n) for n in range(1, 31)]
    rows = [("s", item) for item in items] + [("s", "1000"), ("s", "2")]
    ordered = order(rows, times=[7] * 30 + [8, 9])
    drawn = sessions_of(ordered)["s"]
    assert drawn[:30] != items
    assert sorted(drawn[:30], key=int) == items
    assert drawn[30:] == ["1000", "2"]
    assert "an order drawn with seed 42, because file order is the order of item ids" in (
        ordered.note
    )
    assert ordered.equal_time_share == 29 / 31
    assert drawn == sessions_of(order(rows, times=[7] * 30 + [8, 9]))["s"]


def test_ascending_ids_at_different_times_are_left_alone() -> None:
    items = [f"{n:02}" for n in range(30)]
    rows = [("s", item) for item in items]
    assert sessions_of(order(rows, times=list(range(30)), equal_times="shuffle"))["s"] == items


def test_a_known_source_is_shuffled_whatever_its_ties_look_like() -> None:
    items = [str(n * 17 % 30) for n in range(30)]
    ordered = order([("s", item) for item in items], times=[7] * 30, equal_times="shuffle")
    assert sessions_of(ordered)["s"] != items
    assert "because file order is not the order of events" in ordered.note


def test_equal_times_of_neighbouring_sessions_are_no_ties() -> None:
    ordered = order([("a", "1"), ("b", "2")], times=[7, 7], equal_times="shuffle")
    assert ordered.equal_time_share == 0.0
    assert ordered.note == "order inside a session: by time"


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.integers(0, 9)), min_size=1
    )
)
def test_order_is_that_of_a_plain_sort(events: list[tuple[str, str, int]]) -> None:
    by_session: dict[str, list[tuple[int, int, str]]] = {}
    for row, (session, item, time) in enumerate(events):
        by_session.setdefault(session, []).append((time, row, item))
    expected = {session: [item for *_, item in sorted(own)] for session, own in by_session.items()}
    starts = sorted(by_session, key=lambda session: min(by_session[session])[0])
    ordered = order(
        [(session, item) for session, item, _ in events],
        times=[time for *_, time in events],
        positions=list(range(len(events))),
    )
    assert sessions_of(ordered) == expected
    assert list(sessions_of(ordered)) == starts
