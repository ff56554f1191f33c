"""Recommendations of a trial's model are those that the benchmark would rank."""

from __future__ import annotations

import dataclasses
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.serving.recommendation import load_trial, recommend
from bench.store.catalogue import Catalogue
from bench.store.trial import read_trial_record, write_trial_record
from datasets.errors import InputError
from datasets.session_log import SessionLog
from models.registry import load_model
from reports.tables.recommendations import recommendations_markdown
from tests.bench.serving.trained_trials import FINGERPRINT, PLUGIN, TITLES, small_log, trained_trial

MODELS: dict[str, dict[str, Any]] = {
    "popularity": {},
    "markov": {},
    "vsknn": {},
    "gru4rec": {"epochs": 2, "layers": (8,)},
    "tocr": {"epochs": 2, "width": 8, "cap": float("inf")},
}


def recommended(folder: Path, session: str, count: int = 5) -> list[str]:
    said: list[str] = []
    found = recommend(load_trial(folder, said.append), list(session), count)
    assert said == []
    assert [item.rank for item in found] == list(range(1, len(found) + 1))
    return [item.item_id for item in found]


@pytest.mark.parametrize("name", MODELS)
def test_order_is_that_of_the_scores_after_the_prefix(name: str, tmp_path: Path) -> None:
    folder = trained_trial(tmp_path, name, **MODELS[name])
    model_class = load_model(name).model_class
    model = model_class(model_class.Config(**MODELS[name]), seed=3, device="cpu")
    model.load(folder / "weights")
    # X, B and then whatever: the second prefix is the session that is asked for.
    log = dataclasses.replace(
        small_log(),
        items=np.array([4, 1, 0, 2], dtype=np.int32),
        rewards=np.ones(4, dtype=np.float32),
        offsets=np.array([0, 4]),
        session_ids=np.array(["s"]),
        times=None,
    )
    scores = model.score(log)[1]
    expected = sorted(range(5), key=lambda code: (-scores[code], code))
    found = recommend(load_trial(folder, print), ["X", "B"], 5)
    assert [item.item_id for item in found] == ["ABCDX"[code] for code in expected]
    np.testing.assert_allclose([item.score for item in found], scores[expected], rtol=1e-4)


def test_by_hand(tmp_path: Path) -> None:
    folder = trained_trial(tmp_path, "markov", titles=TITLES)
    # After A always B; then the others by support: A, C, D and X have 30 each, B 60.
    assert recommended(folder, "A") == ["B", "A", "C", "D", "X"]
    # C and D followed B 30 times each, and tie: the lower code comes first.
    assert recommended(folder, "AB", count=2) == ["C", "D"]
    assert recommended(folder, "AB", count=99) == ["C", "D", "B", "A", "X"]
    found = recommend(load_trial(folder, print), ["A"], 2)
    assert [(item.item_id, item.title) for item in found] == [
        ("B", TITLES["B"]),
        ("A", TITLES["A"]),
    ]
    lines = recommendations_markdown(found).splitlines()
    assert lines[0].replace(" ", "") == "|rank|item|title|score|"
    assert lines[2].split(" | ")[2].strip() == r"Brazil \| a film (1985)"


def test_items_that_training_never_saw_are_left_out(tmp_path: Path) -> None:
    trained = load_trial(trained_trial(tmp_path, "markov", titles=TITLES), print)
    assert trained.unknown(["?", "A", "a"]) == ["?", "a"]
    assert recommend(trained, ["?", "A", "a"], 5) == recommend(trained, ["A"], 5)
    with pytest.raises(InputError) as refused:
        recommend(trained, ["?", "a"], 5)
    assert str(refused.value) == (
        "the session has no item of the catalogue's 5 (?, a unknown); "
        "give ids such as B (Brazil | a film (1985)), A (Alien (1979)), C"
    )
    with pytest.raises(InputError, match="the session is empty"):
        recommend(trained, [], 5)
    with pytest.raises(InputError, match="--count must be at least 1, not 0"):
        recommend(trained, ["A"], 0)


def test_without_titles_the_table_has_none(tmp_path: Path) -> None:
    found = recommend(load_trial(trained_trial(tmp_path, "markov"), print), ["A"], 2)
    assert [item.title for item in found] == ["", ""]
    header = recommendations_markdown(found).splitlines()[0]
    assert header.replace(" ", "") == "|rank|item|score|"


def test_model_of_a_file_and_its_change(tmp_path: Path) -> None:
    file = tmp_path / "longest.py"
    file.write_text(PLUGIN)
    folder = trained_trial(tmp_path, f"{file}:Longest", sign="-1")
    # Minus the length of the prefix for its last item, 0 for the others.
    assert recommended(folder, "AX") == ["A", "B", "C", "D", "X"]
    assert recommended(folder, "XA", count=4) == ["B", "C", "D", "X"]
    file.write_text(PLUGIN + "# edited\n")
    said: list[str] = []
    load_trial(folder, said.append)
    (line,) = said
    assert "the source of Longest has changed since this trial" in line
    file.unlink()
    with pytest.raises(InputError, match=r"there is no file .*longest\.py|cannot be read"):
        load_trial(folder, said.append)


class Payload:
    """A pickle that leaves a file behind when it is loaded."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.file),)


@pytest.mark.parametrize(
    ("name", "file", "damage"),
    [
        ("gru4rec", "weights.pt", "pickle"),
        ("gru4rec", "weights.pt", "cut"),
        ("markov", "followers.npz", "pickle"),
    ],
)
def test_weights_that_are_no_plain_arrays_are_refused(
    name: str, file: str, damage: str, tmp_path: Path
) -> None:
    folder = trained_trial(tmp_path, name, **MODELS[name])
    weights = folder / "weights" / file
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:100])
    else:
        weights.write_bytes(pickle.dumps(Payload(tmp_path / "run")))
    with pytest.raises(InputError, match=rf"weights: {name} cannot load its weights .* --fresh"):
        load_trial(folder, print)
    assert not (tmp_path / "run").exists()


def test_folders_without_a_finished_trial_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no trial's folder, as it has no trial\.json"):
        load_trial(tmp_path, print)
    folder = trained_trial(tmp_path, "markov")
    catalogue = tmp_path / "splits" / FINGERPRINT[:16] / "catalogue.npz"
    catalogue.rename(tmp_path / "away.npz")
    with pytest.raises(InputError, match=r"catalogue\.npz cannot be read"):
        load_trial(folder, print)
    record = dataclasses.replace(read_trial_record(folder), status="failed", reason="NaN in step 3")
    write_trial_record(folder, record)
    with pytest.raises(InputError, match=r"a failed trial \(NaN in step 3\)"):
        load_trial(folder, print)


def test_catalogue_of_another_split_is_refused(tmp_path: Path) -> None:
    folder = trained_trial(tmp_path, "markov")
    other = Catalogue(np.array(["A", "B"]), np.array([1, 1]))
    other.save(tmp_path / "splits" / FINGERPRINT[:16])
    with pytest.raises(InputError, match="each of the 2 items of the catalogue"):
        recommend(load_trial(folder, print), ["A"], 1)


def test_scores_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    trained = load_trial(trained_trial(tmp_path, "markov"), print)

    class NotANumber:
        def score(self, sessions: SessionLog) -> Any:
            return np.full((sessions.n_targets, sessions.n_items), np.nan, dtype=np.float32)

    model: Any = NotANumber()
    with pytest.raises(InputError, match="markov does not give each of the 5 items"):
        recommend(dataclasses.replace(trained, model=model), ["A"], 1)
