"""One world, logger and size of log: models trained on the log, judged by it and by the truth."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import kendalltau  # type: ignore[import-untyped]

from bench.events import TestEvents, events_from
from bench.off_policy_evaluation import Rounds, evaluate
from bench.ranking import rank_targets
from bench.results import averages, event_values
from bench.table_policy import TablePolicy
from bench.world_value import WorldEstimate, policy, world_values
from datasets.session_log import SessionLog
from datasets.simulated_loggers import make_logger
from datasets.simulated_sessions import draw_log, observed_classes
from datasets.simulated_worlds import Table, World, make_world
from datasets.splits import Split, SplitOptions, make_split
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
VALUE_CRITERIA = {"IPS": "ips", "SNIPS": "snips", "DR": "dr"}
LADDER = ("behaviour_cloning", "reinforce", "off-policy", "capped", "tocr")
"""From cross-entropy to TOCR, one change a rung: weigh by return, by pi / beta, cap, top-K."""
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
    """Of world, logger, log and training."""
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
        "gru4rec on clicks": ("experiments.clicked_only:ClickedOnly", gru4rec),
        "behaviour_cloning": ("behaviour_cloning", cloning),
        "reinforce": ("reinforce", rewarded),
        "weighted_likelihood": ("weighted_likelihood", rewarded | {"floor": 0.001}),
        "off-policy": ("tocr", tocr | {"K": 1, "cap": math.inf}),
        "capped": ("tocr", tocr | {"K": 1}),
        "tocr": ("tocr", tocr),
    }
    models: dict[str, Recommender] = {}
    for label, (reference, given) in options.items():
        model_class: type[Any] = load_model(reference).model_class
        models[label] = model_class(model_class.Config(**given), seed=cell.seed, device="cpu")
    return models


def measure(cell: Cell) -> dict[str, Any]:
    """Train every model on the cell's log; its true values, what the log says, and their order."""
    torch.set_num_threads(1)
    whole = make_world(cell.world, n_items=cell.items, n_interests=cell.interests, seed=cell.seed)
    logger = make_logger(cell.logger, whole, seed=cell.seed)
    log = draw_log(whole, logger, cell.sessions, seed=cell.seed)
    split = make_split(
        log, SplitOptions("session-holdout", test_share=0.1, valid_share=0), source="simulated"
    )
    world = whole.catalogue(split.train.item_ids)
    events = events_from(split.test)
    reward_model = fit_reward_model(world, split.train)

    def true_values(model: Any, of: World) -> tuple[list[float], list[float] | None]:
        values = world_values(
            of, model, set_size=cell.set_size, n_sessions=cell.rollouts, seed=cell.seed
        )
        return _triple(values.greedy), None if values.sampled is None else _triple(values.sampled)

    greedy, sampled = {}, {}
    greedy["logger"], sampled["logger"] = true_values(TablePolicy(whole, logger.table), whole)
    criteria: dict[str, dict[str, float]] = {}
    refusals: dict[str, str] = {}
    for label, model in build_models(cell).items():
        for _ in model.fit(split.train):
            pass
        greedy[label], of_sets = true_values(model, world)
        for name, value in ranking_criteria(model, split, events, label).items():
            criteria.setdefault(name, {})[label] = value
        if of_sets is None:
            continue
        sampled[label] = of_sets
        said = value_criteria(model, world, split.test.log, reward_model, cell.set_size)
        if isinstance(said, str):
            refusals[label] = said
        else:
            for name, value in said.items():
                criteria.setdefault(name, {})[label] = value
    policies = {label: value for label, value in sampled.items() if value and label != "logger"}
    return {
        **asdict(cell),
        **{label: policies[label] for label in ("tocr", "reinforce", "gru4rec")},
        "sampled": sampled,
        "greedy": greedy,
        "criteria": criteria,
        "refusals": refusals,
        "order": {
            "sampled": order(criteria, {label: value[0] for label, value in policies.items()}),
            "greedy": order(criteria, {label: greedy[label][0] for label in policies}),
        },
    }


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
) -> dict[str, float] | str:
    """Estimated value of a page of sampled sets, by estimator, or why there is none.

    From the true propensities of the held-out sessions, at set level: alpha_K / beta.
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
        log_behaviour=np.log(held_out.propensities[shown].astype(np.float64)),
        rewards=held_out.rewards[shown].astype(np.float64),
        sessions=held_out.session_of_event[shown],
        positions=held_out.position_in_session[shown],
        logged_reward_model=guesses[rows, items],
        policy_reward_model=(inclusion * guesses).sum(axis=1),
        expected_set_sizes=inclusion.sum(axis=1),
    )
    values = evaluate(rounds, set_size=set_size, resamples=100)
    if values.refusal is not None:
        return values.refusal
    return {name: values.estimates[key].value for name, key in VALUE_CRITERIA.items()}


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
    criteria: dict[str, dict[str, float]], truth: dict[str, float]
) -> dict[str, dict[str, float | str | None]]:
    """How each criterion orders the policies of `truth`: Kendall's tau, its choice, the regret.

    Regret is the share of the best true value that is lost by the choice. All None where the truth
    has no order, and tau where fewer than three models have the criterion.
    """
    found: dict[str, dict[str, float | str | None]] = {}
    best = max(truth.values())
    spread = best - min(truth.values())
    for name, of_models in criteria.items():
        known = [label for label in truth if label in of_models]
        if spread <= 1e-9 * best or not known:
            found[name] = {"tau": None, "chosen": None, "regret": None}
            continue
        chosen = max(known, key=of_models.__getitem__)
        tau = float("nan")
        if len(known) > 2:
            values: NDArray[np.float64] = np.array([(of_models[x], truth[x]) for x in known])
            tau = float(kendalltau(values[:, 0], values[:, 1]).statistic)
        found[name] = {
            "tau": None if math.isnan(tau) else tau,
            "chosen": chosen,
            "regret": (best - truth[chosen]) / best,
        }
    return found


def _triple(estimate: WorldEstimate) -> list[float]:
    return [estimate.value, estimate.low, estimate.high]
