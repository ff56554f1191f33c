"""The estimated behaviour policy: what it must be whatever the log, and its stored file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.policy_value import estimated_propensities as module
from bench.policy_value.estimated_propensities import estimated_propensities
from bench.policy_value.logging_policy import (
    LOGGING_POLICY,
    logging_policy,
    read_logging_policy,
    write_logging_policy,
)
from bench.policy_value.reward_model import item_reward_model
from bench.store.events import events_from
from datasets.errors import InputError
from datasets.session_log import SessionLog
from datasets.splitting.held_out import HeldOut
from datasets.splitting.splits import Split
from tests.bench.held_out_logs import held_out_of, log_of

N_ITEMS = 12


def markov_sessions(n: int, seed: int) -> list[list[int]]:
    """Sessions of 2 to 7 events of a chain in which items have few likely followers."""
    rng = np.random.default_rng(seed)
    chain = np.random.default_rng(99).dirichlet(np.full(N_ITEMS, 0.3), size=N_ITEMS)
    sessions = []
    for length in rng.integers(2, 8, n):
        session = [int(rng.integers(N_ITEMS))]
        while len(session) < length:
            session.append(int(rng.choice(N_ITEMS, p=chain[session[-1]])))
        sessions.append(session)
    return sessions


def parts(
    n_test: int = 60, missed: list[tuple[int, int]] | None = None
) -> tuple[SessionLog, HeldOut, HeldOut]:
    return (
        log_of(markov_sessions(300, 1), N_ITEMS),
        held_out_of(markov_sessions(60, 2), N_ITEMS),
        held_out_of(markov_sessions(n_test, 3), N_ITEMS, missed=missed),
    )


def with_targets(test: HeldOut, event: int, item: int) -> HeldOut:
    items = test.log.items.copy()
    items[event] = item
    return HeldOut(dataclasses.replace(test.log, items=items), test.is_target, test.missed)


def dense(train: SessionLog, valid: HeldOut | None, test: HeldOut) -> NDArray[np.float64]:
    """beta of every item before each scored event, (n, n_items): each put in the target's place.

    The counts leave out the event's own fold, so that what stands there changes nothing else.
    """
    events = np.flatnonzero(test.is_target)
    found = np.empty((len(events), N_ITEMS))
    for row, event in enumerate(events):
        # A last event is no one's context.
        for item in range(N_ITEMS):
            log_beta, _ = estimated_propensities(train, valid, with_targets(test, event, item))
            found[row, item] = np.exp(log_beta[row])
    return found


def test_each_events_propensities_sum_to_one_and_bins_are_those_of_all_pairs() -> None:
    train, valid, _ = parts()
    # With sessions of two events no target is a context, and can be replaced.
    test = held_out_of([session[:2] for session in markov_sessions(25, 4)], N_ITEMS)
    log_beta, report = estimated_propensities(train, valid, test)
    beta = dense(train, valid, test)
    np.testing.assert_allclose(beta.sum(1), 1)
    targets = test.log.items[test.is_target]
    own = beta[np.arange(len(targets)), targets]
    np.testing.assert_allclose(own, np.exp(log_beta))
    assert len(report.calibration) > 5
    assert sum(part.n_pairs for part in report.calibration) <= beta.size
    for i, part in enumerate(report.calibration):
        above = report.calibration[i - 1].high * (1 + 1e-9) if i else 0
        end = part.high * (1 + 1e-9) if i + 1 < len(report.calibration) else 1
        inside = (beta > above) & (beta <= end)
        hits = (own > above) & (own <= end)
        assert part.n_pairs == inside.sum()
        assert part.predicted == pytest.approx(beta[inside].mean())
        assert part.observed == pytest.approx(hits.sum() / inside.sum())


def test_no_event_of_a_fold_enters_its_own_propensity() -> None:
    train, valid, test = parts()
    before, _ = estimated_propensities(train, valid, test)
    fold_of_session = np.random.default_rng(0).permutation(test.log.n_sessions)
    fold_of_session %= module.N_FOLDS
    folds = fold_of_session[test.log.session_of_event[test.is_target]]
    last = int(test.log.offsets[1]) - 1
    rows = np.flatnonzero(test.is_target)
    own = int(np.flatnonzero(rows == last)[0])
    after, _ = estimated_propensities(
        train, valid, with_targets(test, last, (int(test.log.items[last]) + 5) % N_ITEMS)
    )
    same_fold = folds == folds[own]
    same_fold[own] = False
    np.testing.assert_array_equal(before[same_fold], after[same_fold])
    assert (before[folds != folds[own]] != after[folds != folds[own]]).any(), "the others count it"


def test_it_knows_a_chain_better_than_counts_and_comes_near_the_truth() -> None:
    train, valid, test = parts(n_test=200)
    log_beta, report = estimated_propensities(train, valid, test)
    chain = np.random.default_rng(99).dirichlet(np.full(N_ITEMS, 0.3), size=N_ITEMS)
    rows = np.flatnonzero(test.is_target)
    truth = np.log(chain[test.log.items[rows - 1], test.log.items[rows]])
    assert report.log_loss == pytest.approx(-log_beta.mean())
    assert report.log_loss < report.unigram_loss - 0.5
    assert report.unigram_loss < report.uniform_loss + 0.05
    assert 0 < report.log_loss + truth.mean() < 0.15, "nats above the chain's own entropy"
    assert report.smallest[0] == (0.0, pytest.approx(np.exp(log_beta.min())))
    assert [part.low for part in report.calibration] == sorted(
        part.low for part in report.calibration
    )


def test_without_validation_the_end_of_training_chooses_the_weights() -> None:
    train, _, test = parts(n_test=200)
    log_beta, report = estimated_propensities(train, None, test)
    assert np.isfinite(log_beta).all()
    assert report.log_loss < report.unigram_loss - 0.5


def test_history_that_is_training_is_not_counted_again() -> None:
    # As leave-one-out has it: only the last event of each session is a target.
    train, valid, test = parts()
    ends = np.zeros(test.log.n_events, dtype=np.bool_)
    ends[test.log.offsets[1:] - 1] = True
    only_last = HeldOut(test.log, ends, test.missed)
    short = held_out_of([[*session[-2:]] for session in markov_sessions(60, 3)], N_ITEMS)
    np.testing.assert_allclose(
        estimated_propensities(train, valid, only_last)[0],
        estimated_propensities(train, valid, short)[0],
    )


@pytest.mark.parametrize("sessions", [[[0, 1]], [[0, 1], [1, 0]]])
def test_the_smallest_logs_have_finite_propensities(sessions: list[list[int]]) -> None:
    test = held_out_of([[1, 0]], 3, missed=[(0, 1)])
    log_beta, report = estimated_propensities(log_of(sessions, 3), None, test)
    assert np.isfinite(log_beta).all()
    assert (log_beta < 0).all()
    assert log_beta[-1] == pytest.approx(-np.log(3))
    assert sum(part.n_pairs for part in report.calibration) <= 3


def split_of(train: SessionLog, valid: HeldOut, test: HeldOut) -> Split:
    return Split("fixed", train, valid, test, {}, "f00")


def test_the_file_comes_back_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    split = split_of(*parts(missed=[(0, 1)]))
    events = events_from(split.test)
    assert read_logging_policy(tmp_path, len(events)) is None
    logger = logging_policy(split, events, simulated=False)
    write_logging_policy(logger, tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [LOGGING_POLICY]
    found = read_logging_policy(tmp_path, len(events))
    assert found is not None and found.is_estimate
    assert found.report == logger.report
    np.testing.assert_array_equal(found.log_propensities, logger.log_propensities)
    rewards = item_reward_model(split.train)
    np.testing.assert_allclose(found.logged_reward_model[:-1], rewards[events.targets[:-1]])
    assert found.logged_reward_model[-1] == pytest.approx(rewards.mean())
    with pytest.raises(InputError, match="for 3 test events; delete it and run"):
        read_logging_policy(tmp_path, 3)
    whole = (tmp_path / LOGGING_POLICY).read_bytes()
    for damaged in (b"", b"no archive", whole[: len(whole) // 2]):
        (tmp_path / LOGGING_POLICY).write_bytes(damaged)
        with pytest.raises(InputError, match="delete it and run"):
            read_logging_policy(tmp_path, len(events))


def test_logged_propensities_go_before_any_estimate(tmp_path: Path) -> None:
    split = split_of(*parts())
    events = events_from(split.test)
    logged = np.linspace(0.01, 1, len(events)).astype(np.float32)
    events = dataclasses.replace(events, propensities=logged)
    for simulated, source in ((False, "logged"), (True, "simulated")):
        logger = logging_policy(split, events, simulated=simulated)
        assert (logger.source, logger.report) == (source, None)
        assert not logger.is_estimate
        np.testing.assert_allclose(np.exp(logger.log_propensities), logged, rtol=1e-6)
        write_logging_policy(logger, tmp_path)
        found = read_logging_policy(tmp_path, len(events))
        assert found is not None and found.source == source
