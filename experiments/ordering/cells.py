"""One world, logger and size of log: models trained on the log, judged by it and by the truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import kendalltau  # type: ignore[import-untyped]

from bench.figures.results import averages, event_values
from bench.policy_value.off_policy_evaluation import Rounds, evaluate
from bench.policy_value.world_value import PAGES, Page, policy, rollout
from bench.ranking.rank_targets import rank_targets
from bench.store.events import TestEvents, events_from
from datasets.session_log import SessionLog
from datasets.simulation.loggers import make_logger
from datasets.simulation.sessions import draw_log, observed_classes
from datasets.simulation.worlds import Table, World, make_world
from datasets.splitting.splits import Split, SplitOptions, make_split
from experiments.ordering.table_policy import TablePolicy
from models.recommender import Recommender, policy_temperature
from models.registry import load_model

RANKING_K = 20
RANKING_CRITERIA = {
    "Recall@20": "Recall@20",
    "MRR@20": "MRR@20",
    "Recall@20 of clicks": "Recall@20 (positive)",
    "reward-weighted Recall@20": "Recall@20 (reward-weighted)",
    "popularity-normalised Recall@20": "Recall@20 (popularity-normalised)",
}
"""Criterion to the name that tables give it."""
SET_CRITERIA = {"IPS": "ips", "SNIPS": "snips", "DR": "dr"}
"""Criterion to the name of its estimator, with weights alpha_K / beta of sets."""
ONE_ITEM = "SNIPS, one item"
"""SNIPS with weights pi / beta, as the tables of `run_bench.py` have it."""
ONE_DRAW = "one draw"
TRUTHS = (*PAGES, ONE_DRAW)
"""True values: of each way to fill a page of K, and of a page of a single draw."""
PRIOR_EVENTS = 5
"""Events of its item's mean that the reward model adds to every class and item."""


@dataclass(frozen=True)
class Cell:
    """What is simulated and trained."""

    world: str
    logger: str
    sessions: int
    """Of the log, a tenth of which is held out."""
    seed: int
    """Of world, logger and log."""
    correlation: float = 0.0
    """Of popularity with what items are worth."""
    training: int = 1
    """Seed of the models' weights and of the simulated sessions that they serve."""
    items: int = 100
    interests: int = 5
    set_size: int = 5
    epochs: int = 8
    rollouts: int = 2000
    """Simulated sessions for each true value."""


def build_models(cell: Cell) -> dict[str, Recommender]:
    """Untrained models by label: alike in encoder, optimiser, epochs and discount."""
    training: dict[str, Any] = {
        "epochs": cell.epochs,
        "learning_rate": 0.1,
        "batch_size": 128,
        "dropout_embedding": 0.0,
        "dropout_hidden": 0.0,
    }
    gru4rec = training | {
        "layers": (32,),
        "embedding": "separate",
        "embedding_width": 32,
        "negatives": 256,
    }
    cloning = training | {"width": 32, "cell": "gru"}
    rewarded = cloning | {"discount": 0.8}
    tocr = rewarded | {"K": cell.set_size}
    options: dict[str, tuple[str, dict[str, Any]]] = {
        "popularity": ("popularity", {}),
        "markov": ("markov", {}),
        "gru4rec": ("gru4rec", gru4rec),
        "gru4rec on clicks": ("experiments.science.clicked_only:ClickedOnly", gru4rec),
        "behaviour_cloning": ("behaviour_cloning", cloning),
        "reinforce": ("reinforce", rewarded),
        "weighted_likelihood": ("weighted_likelihood", rewarded | {"floor": 0.001}),
        "off-policy": ("tocr", tocr | {"K": 1, "cap": math.inf}),
        "capped": ("tocr", tocr | {"K": 1}),
        "tocr": ("tocr", tocr),
        "distinct": ("tocr", tocr | {"set_correction": "distinct"}),
    }
    models: dict[str, Recommender] = {}
    for label, (reference, given) in options.items():
        model_class: type[Any] = load_model(reference).model_class
        models[label] = model_class(model_class.Config(**given), seed=cell.training, device="cpu")
    return models


def measure(cell: Cell) -> dict[str, Any]:
    """Train every model on the cell's log: true values, what the log says, and their order."""
    torch.set_num_threads(1)
    full_world = make_world(
        cell.world,
        n_items=cell.items,
        n_interests=cell.interests,
        correlation=cell.correlation,
        seed=cell.seed,
    )
    logger = make_logger(cell.logger, full_world, seed=cell.seed)
    log = draw_log(full_world, logger, cell.sessions, seed=cell.seed)
    split = make_split(
        log, SplitOptions("session-holdout", test_share=0.1, valid_share=0), source="simulated"
    )
    world = full_world.catalogue(split.train.item_ids)
    events = events_from(split.test)
    reward_model = fit_reward_model(world, split.train)

    values: dict[str, dict[str, float]] = {truth: {} for truth in TRUTHS}

    def serve(label: str, model: Any, of: World) -> None:
        pages = PAGES if policy_temperature(model) is not None else PAGES[:1]
        for page in pages:
            values[page][label] = mean_paid(of, model, page, cell, cell.set_size)
        if len(pages) > 1:
            values[ONE_DRAW][label] = mean_paid(of, model, "distinct", cell, 1)

    serve("logger", TablePolicy(full_world, logger.table), full_world)
    criteria: dict[str, dict[str, float]] = {}
    refusals: dict[str, dict[str, str]] = {}
    for label, model in build_models(cell).items():
        for _ in model.fit(split.train):
            pass
        serve(label, model, world)
        for name, value in ranking_criteria(model, split, events, label).items():
            criteria.setdefault(name, {})[label] = value
        if label not in values[ONE_DRAW]:
            continue
        said, refusals[label] = value_criteria(
            model, world, split.test.log, reward_model, cell.set_size
        )
        for name, value in said.items():
            criteria.setdefault(name, {})[label] = value
    policies = [label for label in values[ONE_DRAW] if label != "logger"]
    return {
        **asdict(cell),
        "values": values,
        "criteria": criteria,
        "refusals": {label: reasons for label, reasons in refusals.items() if reasons},
        "order": {
            truth: order(
                criteria,
                {label: of_model[label] for label in policies},
                [ONE_ITEM] if truth == ONE_DRAW else list(SET_CRITERIA),
            )
            for truth, of_model in values.items()
        },
    }


def mean_paid(world: World, model: Any, page: Page, cell: Cell, set_size: int) -> float:
    """What a session that `model` serves pays, mean over the cell's simulated sessions."""
    paid = rollout(
        world, model, page, set_size=set_size, n_sessions=cell.rollouts, seed=cell.training
    )
    return float(paid.mean())


def ranking_criteria(
    model: Recommender, split: Split, events: TestEvents, label: str
) -> dict[str, float]:
    """Next-item metrics on the held-out sessions."""
    ranks = rank_targets(model, split.test, model_name=label)
    of_events = event_values(ranks, [RANKING_K], "conservative")
    found = {
        name + way.suffix: float(np.average(of_events[name][way.rows], weights=way.weights))
        for way in averages(events, list(of_events), split.train.item_counts())
        for name in way.names
    }
    return {criterion: found[name] for criterion, name in RANKING_CRITERIA.items()}


def value_criteria(
    model: Recommender, world: World, held_out: SessionLog, reward_model: Table, set_size: int
) -> tuple[dict[str, float], dict[str, str]]:
    """Estimated value of a page, by criterion, and by those that have none why.

    From the true propensities of the held-out sessions: of sampled sets, and of single items.
    """
    assert held_out.propensities is not None
    shown = np.flatnonzero(held_out.position_in_session > 0)
    pi = policy(model.score(held_out).astype(np.float64) / (policy_temperature(model) or 1.0))
    inclusion = -np.expm1(set_size * np.log1p(-pi.clip(max=1 - 1e-12)))
    guesses = reward_model[observed_classes(world, held_out)[shown - 1]]
    items = held_out.items[shown]
    rows = np.arange(len(shown))
    rounds = Rounds(
        log_policy=np.log(pi[rows, items]),
        log_propensities=np.log(held_out.propensities[shown].astype(np.float64)),
        rewards=held_out.rewards[shown].astype(np.float64),
        sessions=held_out.session_of_event[shown],
        positions=held_out.position_in_session[shown],
        logged_reward_model=guesses[rows, items],
        policy_reward_model=(inclusion * guesses).sum(axis=1),
        expected_set_sizes=inclusion.sum(axis=1),
    )
    found: dict[str, float] = {}
    reasons: dict[str, str] = {}
    for size, names in ((set_size, SET_CRITERIA), (1, {ONE_ITEM: "snips"})):
        values = evaluate(rounds, set_size=size, resamples=100)
        for name, key in names.items():
            if key in values.estimates:
                found[name] = values.estimates[key].value
            else:
                reasons[name] = values.refusal or values.missing[key]
    return found, reasons


def fit_reward_model(world: World, train: SessionLog) -> Table:
    """Mean reward of each item for each observed class in training, shrunk, (m, n_items)."""
    shown = np.flatnonzero(train.position_in_session > 0)
    classes = observed_classes(world, train)[shown - 1]
    sums, counts = np.zeros((2, world.n_interests, world.n_items))
    np.add.at(sums, (classes, train.items[shown]), train.rewards[shown])
    np.add.at(counts, (classes, train.items[shown]), 1)
    overall = sums.sum() / counts.sum()
    of_item = (sums.sum(axis=0) + PRIOR_EVENTS * overall) / (counts.sum(axis=0) + PRIOR_EVENTS)
    return np.asarray((sums + PRIOR_EVENTS * of_item) / (counts + PRIOR_EVENTS))


def order(
    criteria: dict[str, dict[str, float]], truth: dict[str, float], estimates: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """How each criterion orders the policies of `truth`, all and those that are estimated.

    A policy is estimated where all the criteria named in `estimates` have it. By criterion what
    `_order` finds over all policies, and under `where_estimated` over those that are estimated.
    """
    estimated = [label for label in truth if all(label in criteria.get(e, {}) for e in estimates)]
    return {
        name: {
            **_order(of_models, truth, list(truth)),
            "where_estimated": _order(of_models, truth, estimated),
        }
        for name, of_models in criteria.items()
    }


def _order(
    of_models: dict[str, float], truth: dict[str, float], among: Sequence[str]
) -> dict[str, float | str | None]:
    """Kendall's tau, the choice and its regret: the share of the best of all true values it loses.

    `of` counts the models of `among` that have the criterion. The others are None where
    that is none or the truth has no order, and tau where it is fewer than three.
    """
    known = [label for label in among if label in of_models]
    best = max(truth.values())
    if best - min(truth.values()) <= 1e-9 * best or not known:
        return {"tau": None, "chosen": None, "regret": None, "of": len(known)}
    chosen = max(known, key=of_models.__getitem__)
    tau = float("nan")
    if len(known) > 2:
        values: NDArray[np.float64] = np.array([(of_models[x], truth[x]) for x in known])
        tau = float(kendalltau(values[:, 0], values[:, 1]).statistic)
    return {
        "tau": None if math.isnan(tau) else tau,
        "chosen": chosen,
        "regret": (best - truth[chosen]) / best,
        "of": len(known),
    }
