"""Every settings file that comes with the code is understood, and is what it says."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from bench.planning.model_options import build_config
from bench.planning.plan import make_plan
from models.gru4rec import Gru4RecConfig
from models.registry import list_models, load_model

FILES = sorted((Path(__file__).parents[2] / "experiments" / "configs").glob("*.toml"))


def configs(file: Path) -> dict[str, Any]:
    """The config of each model of a plan, by its label."""
    plan = make_plan({}, [], file)
    models = [load_model(name) for name in plan.models]
    labels = {model.label for model in models}
    assert len(labels) == len(models)
    assert set(plan.model_options) <= labels | set(list_models()), "options of no model"
    return {
        model.label: build_config(
            model.model_class.Config,
            model.label,
            {
                **plan.model_options.get(model.reference, {}),
                **plan.model_options.get(model.label, {}),
            },
        )
        for model in models
    }


def find(stem: str) -> Path:
    (file,) = [file for file in FILES if file.stem == stem]
    return file


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_file_is_understood(file: Path) -> None:
    assert configs(file)


def test_the_authors_presets_are_their_table() -> None:
    rows = {}
    for name in ("rsc15", "yoochoose", "rees46", "coveo", "retailrocket", "diginetica"):
        (c,) = configs(find(f"gru4rec_best_{name}")).values()
        assert isinstance(c, Gru4RecConfig)
        assert (c.embedding, c.negatives, c.epochs, c.truncation) == ("constrained", 2048, 10, 1)
        assert c.loss == "bpr-max" or (c.logq, c.logq_form) == (1, "official")
        rows[name] = (
            c.loss, *c.layers, c.batch_size, c.dropout_embedding, c.dropout_hidden,
            c.learning_rate, c.momentum, c.negative_alpha,
            *((c.bpreg, c.elu) if c.loss == "bpr-max" else ()),
        )  # fmt: skip
    assert rows == {
        "rsc15": ("cross-entropy", 100, 32, 0, 0.4, 0.2, 0.2, 0.5),
        "yoochoose": ("cross-entropy", 480, 48, 0, 0.2, 0.07, 0, 0.2),
        "rees46": ("cross-entropy", 512, 240, 0.45, 0, 0.065, 0, 0.5),
        "coveo": ("bpr-max", 512, 144, 0.35, 0, 0.05, 0.4, 0.2, 1.85, 1),
        "retailrocket": ("bpr-max", 224, 80, 0.5, 0.05, 0.05, 0.4, 0.4, 1.95, 0.5),
        "diginetica": ("bpr-max", 512, 128, 0.5, 0.3, 0.05, 0.15, 0.3, 0.9, 1),
    }


def test_each_rung_of_the_ladder_differs_from_the_one_before_in_one_option() -> None:
    rungs = list(configs(find("tocr_ladder")).values())
    changed = [
        {name for name in vars(one) if getattr(one, name) != getattr(other, name)}
        for one, other in itertools.pairwise(rungs)
    ]
    assert changed == [{"reward_weighted"}, {"off_policy"}, {"cap"}, {"K"}]
    assert rungs[-1] == type(rungs[-1])(epochs=rungs[-1].epochs)


def test_the_plan_of_all_models_leaves_none_out() -> None:
    assert set(make_plan({}, [], find("all_models")).models) == set(list_models())
