"""Models that cheat or are broken are refused, or gain nothing, in a run of the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.commands.conftest import Run
from tests.models.cheats import honest
from tests.models.cheats.table import arguments, cases, write_log, zoo

GAIN_NOTHING = {
    "BreaksTies",
    "ByCatalogueOrder",
    "Constant",
    "Infinite",
    "MinusInfinite",
    "Prints",
    "ReplacesItemsInScore",
}


def test_every_model_of_the_zoo_is_refused_or_gains_nothing(
    bench: Callable[..., Run], folder: Path
) -> None:
    write_log(folder / "log.csv")
    models = [honest.Honest, *zoo()]
    run = bench(*arguments(models))
    found = cases(folder / "results", models)
    own = found.pop("Honest")
    assert own.reason is None
    assert len(found) >= 20
    ranked = {name: case for name, case in found.items() if case.reason is None}
    assert set(ranked) == GAIN_NOTHING
    for name, case in ranked.items():
        assert case.recall <= own.recall, name
    assert "1.0000 |" not in run.table
