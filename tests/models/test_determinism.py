"""The same seed gives the same bits, whatever the order of Python's sets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.gru4rec import Gru4Rec, Gru4RecConfig
from models.tocr import Tocr, TocrConfig
from tests.models.logs import random_log, trained

REPOSITORY = Path(__file__).parents[2]

RUN = """
import sys
from pathlib import Path
import torch
from bench.ranking.rank_targets import rank_targets
from datasets.reading.event_table import load_event_table
from datasets.splitting.splits import SplitOptions, make_split
from models.gru4rec import Gru4Rec, Gru4RecConfig
from models.tocr import Tocr, TocrConfig
torch.set_num_threads(1)
train, test = (load_event_table(Path(f), reward=None, notify=print).log for f in sys.argv[1:])
split = make_split(train, SplitOptions("fixed", valid_share=0), test_log=test, source="log")
print(split.train.item_ids.tolist(), split.fingerprint)
for model in (Gru4Rec(Gru4RecConfig(epochs=3), seed=1, device="cpu"),
              Tocr(TocrConfig(epochs=3), seed=1, device="cpu")):
    for progress in model.fit(split.train):
        print(progress)
    ranks = rank_targets(model, split.test, model_name="model")
    print(ranks.ranks.tobytes().hex(), ranks.ties.tobytes().hex())
"""


@pytest.mark.parametrize(
    ("model_class", "config"),
    [
        (Gru4Rec, Gru4RecConfig(epochs=2, truncation=4, momentum=0.1)),
        (Gru4Rec, Gru4RecConfig(epochs=2, embedding="separate", loss="bpr-max")),
        (Tocr, TocrConfig(epochs=2)),
        (Tocr, TocrConfig(epochs=2, full_softmax_items=1, cell="gru")),
    ],
)
def test_scores_follow_the_seed(model_class: Any, config: Any) -> None:
    log = random_log(60, n_items=40, longest=9, seed=1)
    first, progress = trained(model_class, config, log, seed=3)
    again, progress_again = trained(model_class, config, log, seed=3)
    other, _ = trained(model_class, config, log, seed=4)
    assert progress == progress_again
    np.testing.assert_array_equal(first.score(log), again.score(log))
    assert not np.allclose(first.score(log), other.score(log))


def test_hash_seeds_change_nothing(tmp_path: Path) -> None:
    sessions = ["ABC", "XBD"] * 20
    for name, part in (("train", sessions), ("test", ["ABC", "XBD"])):
        rows = [f"s{i},item-{item}" for i, session in enumerate(part) for item in session]
        (tmp_path / f"{name}.csv").write_text("session_id,item_id\n" + "\n".join(rows) + "\n")
    runs = []
    for seed in ("0", "1"):
        folder = tmp_path / f"hash-seed-{seed}"
        folder.mkdir()
        environment = os.environ | {"PYTHONHASHSEED": seed, "BENCH_CACHE_DIR": str(folder)}
        command = [sys.executable, "-c", RUN, tmp_path / "train.csv", tmp_path / "test.csv"]
        runs.append(
            subprocess.Popen(
                command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True
            )
        )
    first, second = (run.communicate()[0] for run in runs)
    assert [run.returncode for run in runs] == [0, 0]
    assert first == second
    assert first.count("Progress(") > 6
