"""The commands of the study."""

from __future__ import annotations

from pathlib import Path

import pytest

import run_bench
from bench.planning.parser import run_parser
from bench.planning.plan import make_plan
from experiments.science.study import LOGS, QUICK, SMALL, StudyLog, command


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.name)
@pytest.mark.parametrize("more", [(), QUICK], ids=["whole", "quick"])
def test_each_command_is_a_plan_of_its_log(log: StudyLog, more: tuple[str, ...]) -> None:
    _, script, *arguments = command(log, Path("logs"), Path("study"), more)
    assert Path(script) == Path(run_bench.__file__)
    given = vars(run_parser([]).parse_args(arguments))
    assert given.pop("config") == log.plan
    plan = make_plan(given, given.pop("set", []), log.plan)
    assert plan.output == f"study/{log.name}"
    assert plan.tune is not None
    if more:
        assert (plan.models, plan.seeds) == (("markov", "gru4rec", "tocr"), (1,))
    else:
        assert len(plan.models) == (12 if log.plan == SMALL else 7)
        assert plan.seeds == ((1, 2, 3, 4, 5) if log.plan == SMALL else (1, 2, 3))
        assert plan.ks == (5, 20)
    if log.name == "ml-latest-small":
        assert plan.dataset == "ml-latest-small", "it comes with the code"
    else:
        assert plan.dataset.startswith(f"logs/{log.name}")
    assert (plan.test is not None) == (log.name in ("retailrocket", "diginetica", "nowplaying"))


def test_the_logs_are_where_the_study_looks_for_them(data_dir: Path) -> None:
    for log in LOGS:
        for _, path in log.files:
            assert (data_dir / path).exists()
