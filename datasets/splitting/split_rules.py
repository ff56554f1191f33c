"""Where to cut: the rule of each split, the same for the test and for validation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from datasets.errors import InputError
from datasets.session_log import SessionLog

HOLDOUT_SEED = 42


@dataclass(frozen=True, eq=False)
class Cut:
    """A log cut in two, both parts in its order and with its item codes."""

    train: SessionLog
    held_out: SessionLog
    candidates: NDArray[np.bool_]
    """Which events of `held_out` are targets, provided that training knows their items."""
    own: NDArray[np.bool_]
    """Which events of `held_out` are not in `train` as well."""
    straddling_events: int = 0
    """Events after the cut, in sessions that start before it: in neither part."""


def cut_log(log: SessionLog, name: str, share: float, *, flag: str, source: str) -> Cut:
    """Cut `share` of the sessions, at least one, from `log` by the rule of the split `name`.

    temporal: the sessions that start last, all those of an equal start included; training keeps
    what happened before the first of them. session-holdout: sessions drawn by a fixed seed.
    fixed: the last sessions in the log's order. leave-one-out: the last event of each session of
    two or more, whatever the share.

    `flag` is the option that gave `share`. Raises `InputError` where no cut can be made.
    """
    if name == "leave-one-out":
        return _cut_last_events(log)
    if name == "temporal" and log.times is None:
        raise InputError(
            f"{source}: a temporal split needs a time column and there is none; add a column "
            "'time' or 'timestamp', or use --split session-holdout"
        )
    if log.n_sessions < 2:
        raise InputError(
            f"{source}: {log.n_sessions} session cannot be cut into two parts; {_fix(flag)}"
        )
    n_held_out = max(1, int(np.floor(share * log.n_sessions + 0.5)))
    if name == "temporal":
        return _cut_in_time(log, n_held_out, flag=flag, source=source)
    is_held_out = np.zeros(log.n_sessions, dtype=np.bool_)
    if name == "session-holdout":
        order = np.random.default_rng(HOLDOUT_SEED).permutation(log.n_sessions)
        is_held_out[order[:n_held_out]] = True
    else:
        is_held_out[log.n_sessions - n_held_out :] = True
    if is_held_out.all():
        raise InputError(
            f"{source}: {flag} {share} takes all {log.n_sessions} sessions and leaves none to fit "
            f"on; {_fix(flag)}"
        )
    in_held_out = is_held_out[log.session_of_event]
    return _cut_sessions(log, in_held_out, keep_in_train=~in_held_out)


def drop_single_events(log: SessionLog) -> SessionLog:
    """The log without its sessions of one event."""
    return log.keep_events((log.lengths > 1)[log.session_of_event])


def _cut_in_time(log: SessionLog, n_held_out: int, *, flag: str, source: str) -> Cut:
    assert log.times is not None
    starts = np.minimum.reduceat(log.times, log.offsets[:-1])
    first = log.n_sessions - n_held_out
    cut_time = np.partition(starts, first)[first]
    is_held_out = starts >= cut_time
    if is_held_out.all():
        part = "the log" if flag == "--test-share" else "its training part"
        if (starts == starts[0]).all():
            reason = f"all sessions of {part} start at the same time, so it cannot be cut in time"
        else:
            reason = f"{flag} leaves no session of {part} that starts before the cut"
        raise InputError(f"{source}: {reason}; {_fix(flag)} or use --split session-holdout")
    in_held_out = is_held_out[log.session_of_event]
    return _cut_sessions(log, in_held_out, keep_in_train=~in_held_out & (log.times < cut_time))


def _cut_sessions(
    log: SessionLog, in_held_out: NDArray[np.bool_], keep_in_train: NDArray[np.bool_]
) -> Cut:
    held_out = log.keep_events(in_held_out)
    train = log.keep_events(keep_in_train)
    return Cut(
        train=train,
        held_out=held_out,
        candidates=held_out.position_in_session > 0,
        own=np.ones(held_out.n_events, dtype=np.bool_),
        straddling_events=log.n_events - train.n_events - held_out.n_events,
    )


def _cut_last_events(log: SessionLog) -> Cut:
    is_last = np.zeros(log.n_events, dtype=np.bool_)
    is_last[log.offsets[1:] - 1] = True
    in_pair = (log.lengths > 1)[log.session_of_event]
    is_target = is_last & in_pair
    return Cut(
        train=log.keep_events(~is_target),
        held_out=log.keep_events(in_pair),
        candidates=is_target[in_pair],
        own=is_target[in_pair],
    )


def _fix(flag: str) -> str:
    if flag == "--valid-share":
        return "use --valid-share 0"
    return "use a longer log or a smaller --test-share"
