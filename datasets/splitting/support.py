"""Support filter: drop short sessions and rare items until nothing changes."""

from __future__ import annotations

from datasets.session_log import SessionLog


def filter_support(
    log: SessionLog, *, min_session_length: int = 1, min_item_support: int = 1
) -> SessionLog:
    """Keep sessions of `min_session_length` events or more and items of `min_item_support` or more.

    One limit can break the other, so both are applied until every survivor meets both. That fixed
    point is the largest such log: it is unique, and a second pass changes nothing. Item codes stay
    those of `log`. The result may be empty.
    """
    while True:
        frequent = log.item_counts() >= min_item_support
        long_enough = log.lengths >= min_session_length
        keep = frequent[log.items] & long_enough[log.session_of_event]
        if keep.all():
            return log
        log = log.keep_events(keep)
