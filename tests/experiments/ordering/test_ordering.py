"""Criteria of a log against the truth: known orders, the clicks-only model, and a small run."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datasets.session_log import SessionLog
from datasets.simulation.loggers import make_logger
from datasets.simulation.sessions import draw_log
from datasets.simulation.worlds import make_world
from experiments.ordering import ordering
from experiments.ordering.cells import (
    ONE_ITEM,
    RANKING_CRITERIA,
    SET_CRITERIA,
    TRUTHS,
    Cell,
    fit_reward_model,
    order,
    value_criteria,
)
from experiments.ordering.summaries import (
    Trained,
    by_log,
    chance_regret,
    steps,
    summarise,
    trained,
)
from experiments.ordering.table_policy import TablePolicy
from experiments.science.clicked_only import ClickedOnly
from tests.experiments.conftest import printed

TRUTH = {"a": 4.0, "b": 3.0, "c": 2.0}


def test_a_criterion_that_agrees_and_one_that_disagrees() -> None:
    given = {"right": {"a": 9, "b": 5, "c": 1}, "wrong": {"a": 1, "b": 5, "c": 9}}
    found = order(given, TRUTH, ["right"])
    right = {"tau": pytest.approx(1), "chosen": "a", "regret": 0, "of": 3}
    wrong = {"tau": pytest.approx(-1), "chosen": "c", "regret": 0.5, "of": 3}
    assert found["right"] == right | {"where_estimated": right}
    assert found["wrong"] == wrong | {"where_estimated": wrong}


def test_criteria_are_compared_over_the_policies_that_every_estimate_has() -> None:
    truth = {"a": 5.0, "b": 4.0, "c": 3.0, "d": 2.0, "e": 1.0}
    given = {
        "recall": {"a": 1, "b": 4, "c": 3, "d": 2, "e": 5},
        "IPS": {"b": 3, "c": 2, "d": 1, "e": 0},
        "DR": {"a": 9, "b": 3, "c": 2, "d": 1},
    }
    found = order(given, truth, ["IPS", "DR"])
    assert found["recall"]["chosen"] == "e"
    assert found["recall"]["tau"] < 0
    same = {"tau": pytest.approx(1), "chosen": "b", "regret": pytest.approx(0.2), "of": 3}
    assert [found[name]["where_estimated"] for name in given] == [same] * 3
    none = order({"recall": given["recall"]}, truth, ["IPS"])["recall"]
    assert none["of"] == 5
    assert none["where_estimated"] == {"tau": None, "chosen": None, "regret": None, "of": 0}


def test_models_without_a_number_or_without_a_true_value_are_left_out() -> None:
    found = order({"part": {"b": 2, "c": 1, "popularity": 9}}, TRUTH, ["part"])
    part = {"tau": None, "chosen": "b", "regret": 0.25, "of": 2}
    assert found["part"] == part | {"where_estimated": part}
    assert order({"none": {"popularity": 1}}, TRUTH, ["none"])["none"]["regret"] is None


def test_where_all_are_worth_the_same_nothing_is_ordered() -> None:
    found = order({"any": {"a": 1, "b": 2, "c": 3}}, dict.fromkeys(TRUTH, 10.0), ["any"])
    nothing = {"tau": None, "chosen": None, "regret": None, "of": 3}
    assert found["any"] == nothing | {"where_estimated": nothing}


def test_an_estimator_without_an_interval_leaves_the_others() -> None:
    world = make_world("static", n_items=6, n_interests=2)
    logger = make_logger("uniform", world)
    log = draw_log(world, logger, 400, seed=1)
    reward_model = fit_reward_model(world, log)
    uniform: Any = TablePolicy(world, logger.table)

    def criteria(rewards: np.ndarray) -> tuple[dict[str, float], dict[str, str]]:
        held_out = replace(log, rewards=rewards.astype(np.float32))
        return value_criteria(uniform, world, held_out, reward_model, set_size=2)

    found, reasons = criteria(log.rewards)
    assert list(found) == [*SET_CRITERIA, ONE_ITEM]
    assert reasons == {}
    # The policy is the logger, so each weight of a single item is 1.
    assert found[ONE_ITEM] == pytest.approx(log.rewards[log.position_in_session > 0].mean())
    # Many resamples lack the one reward, so that IPS and SNIPS have no finite interval.
    one_reward = np.zeros(log.n_events)
    one_reward[log.offsets[0] + 1] = 1.0
    found, reasons = criteria(one_reward)
    assert list(found) == ["DR"]
    assert reasons == dict.fromkeys(
        ["IPS", "SNIPS", ONE_ITEM], "too few rounds have weight and reward for an interval"
    )
    found, reasons = criteria(np.zeros(log.n_events))
    assert found == {}
    assert set(reasons) == {*SET_CRITERIA, ONE_ITEM}


def test_a_cell_that_fails_leaves_the_others() -> None:
    good = Cell("static", "popularity", 60, 1, items=10, epochs=1, rollouts=20)
    found, failed = ordering.measure_all([replace(good, set_size=11), good], processes=1)
    assert [cell["set_size"] for cell in found] == [5]
    assert [cell["set_size"] for cell in failed] == [11]
    assert failed[0]["error"].startswith("ValueError: a rollout needs")


def test_the_reward_model_comes_to_the_click_probability() -> None:
    world = make_world("static", n_items=6, n_interests=1)
    log = draw_log(world, make_logger("uniform", world), 4000, seed=1)
    learnt = fit_reward_model(world, log)
    assert learnt == pytest.approx(world.click_probability, abs=0.03)


def test_the_model_of_clicks_does_not_see_what_was_not_clicked() -> None:
    world = make_world("drift", n_items=10, n_interests=2)
    log = draw_log(world, make_logger("uniform", world), 60, seed=1)
    config = ClickedOnly.Config(
        epochs=1, layers=(4,), embedding_width=4, embedding="separate", negatives=8,
        dropout_embedding=0.0, dropout_hidden=0.0,
    )  # fmt: skip
    model = ClickedOnly(config, seed=1, device="cpu")
    assert [progress.epoch for progress in model.fit(log)][-1] == 1

    def after(items: list[int], rewards: list[float]) -> np.ndarray:
        session = SessionLog(
            items=np.array(items, dtype=np.int32),
            rewards=np.array(rewards, dtype=np.float32),
            offsets=np.array([0, len(items)]),
            item_ids=log.item_ids,
            session_ids=np.array(["s"]),
        )
        return model.score(session)

    clicks = after([3, 5, 7], [1, 1, 0])
    among_others = after([3, 2, 2, 5, 9, 7], [1, 0, 0, 1, 0, 0])
    assert among_others == pytest.approx(clicks[[0, 0, 0, 1, 1]], abs=1e-6)
    assert np.abs(clicks[0] - clicks[1]).max() > 1e-4


def test_summaries_of_cells() -> None:
    names = (
        "behaviour_cloning", "reinforce", "off-policy", "capped", "tocr", "distinct",
        "gru4rec on clicks",
    )  # fmt: skip

    def cell(values: list[float], training: int, part: tuple[str, ...] = ()) -> dict[str, object]:
        truth = dict(zip(names, values, strict=True))
        criteria = {"truth": truth, "lie": {name: -value for name, value in truth.items()}}
        if part:
            criteria["part"] = {name: truth[name] for name in part}
        return {
            "world": "static", "logger": "uniform", "sessions": 10, "seed": 1, "correlation": 0.0,
            "training": training, "criteria": criteria,
            "values": {"greedy": {"popularity": 9.0, **truth}, "one draw": {"logger": 9, **truth}},
            "order": {"greedy": order(criteria, truth, ["part"] if part else [])},
        }  # fmt: skip

    cells = [
        cell([1, 2, 1, 2, 4, 3, 1], 1),
        cell([2, 4, 4.1, 3, 8, 3, 2], 2, part=("reinforce", "off-policy", "capped")),
    ]
    found = summarise(cells, "greedy")
    assert found["truth"]["regret"] == 0
    assert found["lie"]["regret"] == pytest.approx(0.75)
    assert found["lie"]["trainings"] == 2
    assert found["part"]["trainings"] == 1
    assert found["part"]["policies"] == 3
    assert found["part"]["regret"] == pytest.approx(1 - 4.1 / 8)
    assert found["lie"]["policies"] == pytest.approx((7 + 3) / 2)
    assert found["lie"]["regret_where_estimated"] == pytest.approx(np.mean([0.75, 1 - 3 / 8]))
    assert chance_regret(cells, "greedy") == pytest.approx(
        np.mean([1 - 14 / 7 / 4, 1 - 26.1 / 7 / 8])
    )
    (trainings,) = by_log(cells).values()
    assert trained(trainings, "greedy", "tocr") == Trained(6, 4, 8)
    (group,) = steps(cells, "greedy")
    assert group["logs"] == 1
    assert group["steps"]["tocr over capped"] == {
        "gain": pytest.approx(6 / 2.5 - 1),
        "rises": 1,
        "falls": 0,
    }
    # The worst training of one equals the best of the other.
    assert group["steps"]["distinct over capped"] == {
        "gain": pytest.approx(0.2),
        "rises": 0,
        "falls": 0,
    }


def test_a_small_run(tmp_path: Path) -> None:
    figure = tmp_path / "figures" / "ordering.png"
    lines, figures = printed(
        "ordering/ordering.py", "--worlds", "static", "constant", "--loggers", "popularity",
        "--sessions", "200", "--seeds", "1", "--trainings", "2", "--epochs", "1",
        "--rollouts", "60", "--processes", "1", "--figure", str(figure),
    )  # fmt: skip
    static, again, constant, _ = figures["cells"]
    assert (static["world"], static["logger"], static["sessions"]) == ("static", "popularity", 200)
    assert (static["training"], again["training"]) == (1, 2)
    assert set(static["values"]) == set(static["order"]) == set(TRUTHS)
    for model in ("tocr", "distinct", "reinforce", "gru4rec"):
        for truth in TRUTHS:
            assert 0 < static["values"][truth][model] < 10
            # Every page pays 1, whatever is shown.
            assert constant["values"][truth][model] == 10
        assert static["values"]["distinct"][model] != again["values"]["distinct"][model]
    assert set(RANKING_CRITERIA) <= set(static["criteria"])
    assert sum(line.startswith("| a model drawn at random") for line in lines) == len(TRUTHS)
    assert [len(groups) for groups in figures["steps"].values()] == [1] * len(TRUTHS)
    assert figure.stat().st_size > 10_000


def test_an_unknown_world_is_refused_before_anything_is_trained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["ordering.py", "--worlds", "statik"])
    with pytest.raises(SystemExit) as end:
        ordering.main()
    assert end.value.code == 2
    assert "did you mean 'static'?" in capsys.readouterr().err
