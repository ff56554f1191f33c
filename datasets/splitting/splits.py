"""Split a log into training, validation and test."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from datasets.errors import InputError
from datasets.session_log import ItemCodes, SessionLog
from datasets.splitting.held_out import HeldOut, HeldOutTally, hold_out
from datasets.splitting.split_rules import Cut, cut_log, drop_single_events
from datasets.splitting.support import filter_support

SPLIT_NAMES = ("temporal", "session-holdout", "leave-one-out", "fixed")


@dataclass(frozen=True)
class SplitOptions:
    """How to split; raises `InputError` where an option is out of its range."""

    name: str
    """One of `SPLIT_NAMES`."""
    test_share: float = 0.1
    """Share of sessions held out for the test (temporal and session-holdout)."""
    valid_share: float = 0.1
    """Share of training's sessions held out for validation; 0 for none. Leave-one-out takes one
    target from each session whatever the share, as long as it is above 0."""
    unseen_items: str = "drop"
    """What to do with test targets that training never saw: `drop` them, or count each a `miss`."""
    min_session_length: int = 1
    min_item_support: int = 1

    def __post_init__(self) -> None:
        if self.name not in SPLIT_NAMES:
            raise InputError(f"--split {self.name} is unknown; choose {', '.join(SPLIT_NAMES)}")
        if not 0 < self.test_share < 1:
            raise InputError(f"--test-share must lie between 0 and 1, not {self.test_share}")
        if not 0 <= self.valid_share < 1:
            raise InputError(
                f"--valid-share must lie between 0 (no validation) and 1, not {self.valid_share}"
            )
        if self.unseen_items not in ("drop", "miss"):
            raise InputError(f"--unseen-items must be drop or miss, not {self.unseen_items}")
        for option in ("min_session_length", "min_item_support"):
            if getattr(self, option) < 1:
                flag = "--" + option.replace("_", "-")
                raise InputError(f"{flag} must be at least 1, not {getattr(self, option)}")


@dataclass(frozen=True, eq=False)
class Split:
    """A log cut into training, validation and test, all coded by one catalogue.

    The catalogue holds the items of training before validation is cut from it, in the order of the
    source's codes, so that the test does not depend on `valid_share`.
    """

    name: str
    train: SessionLog
    """What models fit on; validation is already cut out."""
    valid: HeldOut | None
    test: HeldOut
    counts: dict[str, int]
    """Sessions and events of the source, of every part, and of everything dropped.

    train_events: what models fit on. filtered_events: dropped by the support filter.
    valid_events, test_events: the targets; of the latter `missed_events` are of unseen items and
    are counted in `unseen_events_dropped` already. valid_context_events, test_context_events:
    history only, the first events of held-out sessions (none in leave-one-out, whose history is
    training). unseen_events_dropped: held-out events of items that training never saw.
    straddling_events_dropped: events after a cut of sessions that start before it.
    too_short_events_dropped: events of held-out sessions left with fewer than two events, and, in
    leave-one-out, of sessions of one event.
    """
    fingerprint: str
    """SHA-256 of all parts and options: equal fingerprints mean equal test events in order."""


def make_split(
    log: SessionLog,
    options: SplitOptions,
    *,
    test_log: SessionLog | None = None,
    source: str,
) -> Split:
    """Split `log`, or `log` and the user's `test_log`, which has item codes of its own.

    Support filter and catalogue see training alone. `source` names the log in error messages.
    Raises `InputError` where the log lacks what the split needs, or where a part would be empty.
    """
    counts = {"source_sessions": log.n_sessions, "source_events": log.n_events}
    if options.name == "leave-one-out":
        log = drop_single_events(log)
    single_sessions = counts["source_sessions"] - log.n_sessions
    single_events = counts["source_events"] - log.n_events

    cut = _cut_test(log, options, test_log, source)
    if test_log is not None:
        counts["source_sessions"] += test_log.n_sessions
        counts["source_events"] += test_log.n_events
    filtered = filter_support(
        cut.train,
        min_session_length=options.min_session_length,
        min_item_support=options.min_item_support,
    )
    counts["filtered_sessions"] = cut.train.n_sessions - filtered.n_sessions
    counts["filtered_events"] = cut.train.n_events - filtered.n_events
    if filtered.n_events == 0:
        raise InputError(
            f"{source}: no training event is left by --min-session-length "
            f"{options.min_session_length} and --min-item-support {options.min_item_support}; "
            "lower them"
        )
    catalogue = np.flatnonzero(filtered.item_counts())
    item_ids = filtered.item_ids[catalogue]
    codes = np.full(log.n_items, -1, dtype=np.int32)
    codes[catalogue] = np.arange(len(catalogue), dtype=np.int32)
    train = replace(filtered, items=codes[filtered.items], item_ids=item_ids)

    test_codes = codes if test_log is None else _codes_by_id(test_log.item_ids, item_ids)
    test, tally = hold_out(
        cut.held_out,
        candidates=cut.candidates,
        own=cut.own,
        codes=test_codes,
        item_ids=item_ids,
        count_misses=options.unseen_items == "miss",
    )
    if test.n_targets == 0:
        raise InputError(_nothing_to_test(tally, options, source))
    train, valid, valid_tally, valid_straddling = _cut_valid(train, options, source)
    if train.n_targets == 0:
        raise InputError(
            f"{source}: no training session has two events, so there is no pair to learn from; "
            f"use a longer log{' or --valid-share 0' if options.valid_share > 0 else ''}"
        )
    counts |= {
        "catalogue": len(item_ids),
        "train_sessions": train.n_sessions,
        "train_events": train.n_events,
        "train_sessions_without_pair": int((train.lengths < 2).sum()),
        "valid_sessions": 0 if valid is None else valid.n_sessions,
        "valid_events": 0 if valid is None else valid.n_targets,
        "valid_context_events": valid_tally.context_events,
        "valid_sessions_too_short": valid_tally.too_short_sessions,
        "test_sessions": test.n_sessions,
        "test_events": test.n_targets,
        "test_context_events": tally.context_events,
        "missed_events": len(test.missed),
        "unseen_events_dropped": tally.unseen_events,
        "unseen_targets": tally.unseen_targets,
        "straddling_events_dropped": cut.straddling_events + valid_straddling,
        "sessions_too_short": tally.too_short_sessions + single_sessions,
        "too_short_events_dropped": (
            tally.too_short_events + valid_tally.too_short_events + single_events
        ),
    }
    fingerprint = _fingerprint(train, valid, test, options)
    return Split(options.name, train, valid, test, counts, fingerprint)


def _cut_test(
    log: SessionLog, options: SplitOptions, test_log: SessionLog | None, source: str
) -> Cut:
    if options.name != "fixed":
        if test_log is not None:
            raise InputError(f"--test makes the split fixed; drop --split {options.name}")
        return cut_log(log, options.name, options.test_share, flag="--test-share", source=source)
    if test_log is None:
        raise InputError("--split fixed needs the test sessions; add --test PATH")
    return Cut(
        train=log,
        held_out=test_log,
        candidates=test_log.position_in_session > 0,
        own=np.ones(test_log.n_events, dtype=np.bool_),
    )


def _cut_valid(
    train: SessionLog, options: SplitOptions, source: str
) -> tuple[SessionLog, HeldOut | None, HeldOutTally, int]:
    """Cut validation from training as the test was cut from the log."""
    if options.valid_share == 0:
        return train, None, HeldOutTally(), 0
    cut = cut_log(train, options.name, options.valid_share, flag="--valid-share", source=source)
    valid, tally = hold_out(
        cut.held_out,
        candidates=cut.candidates,
        own=cut.own,
        codes=np.arange(train.n_items, dtype=np.int32),
        item_ids=train.item_ids,
        count_misses=False,
    )
    if valid.n_targets == 0:
        raise InputError(
            f"{source}: the validation part has no session of two events, so nothing to stop by; "
            "use a larger --valid-share, or --valid-share 0 for no validation"
        )
    return cut.train, valid, tally, cut.straddling_events


def _codes_by_id(item_ids: NDArray[np.str_], catalogue_ids: NDArray[np.str_]) -> ItemCodes:
    """Catalogue code of each of `item_ids`, -1 where the catalogue lacks it."""
    code_of = {item_id: code for code, item_id in enumerate(catalogue_ids.tolist())}
    return np.array([code_of.get(item_id, -1) for item_id in item_ids.tolist()], dtype=np.int32)


def _nothing_to_test(tally: HeldOutTally, options: SplitOptions, source: str) -> str:
    no_history = tally.target_candidates - tally.unseen_targets
    reasons = [
        _plural(tally.unseen_targets, "target") + " of items unseen in training",
        _plural(tally.single_event_sessions, "session") + " of length 1",
    ]
    if no_history:
        reasons.append(_plural(no_history, "target") + " without an event of a known item before")
    fixes = []
    if options.name in ("temporal", "session-holdout"):
        fixes.append("use a larger --test-share")
    elif options.name == "fixed":
        fixes.append("use another --test file")
    if options.min_item_support > 1 or options.min_session_length > 1:
        fixes.append("lower --min-item-support and --min-session-length")
    if tally.unseen_targets:
        fixes.append("count them by --unseen-items miss")
    return (
        f"{source}: 0 of {_plural(tally.target_candidates, 'test event')} can be predicted "
        f"({', '.join(reasons)}); {' or '.join(fixes or ['use a longer log'])}"
    )


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _fingerprint(
    train: SessionLog, valid: HeldOut | None, test: HeldOut, options: SplitOptions
) -> str:
    digest = hashlib.sha256(json.dumps(asdict(options), sort_keys=True).encode())
    for part in (train, valid, test):
        digest.update(b"none" if part is None else part.fingerprint().encode())
    return digest.hexdigest()
