"""Columns on which Open Bandit Pipeline's estimators were run, and the script that ran them.

Our environment has no obp: where there is one, with this repository's folders on the path,

    python tests/bench/policy_value/obp_figures.py > obp_figures.json
    python tests/bench/policy_value/obp_figures.py $BENCH_DATA_DIR/open-bandit > obp_figures.json

The second adds the Men's campaign of the Open Bandit Dataset. Rounds go from ours to obp's names:
actions, rewards, propensities, and whole tables (n_rounds, n_actions) of policy and reward model.
"""

from __future__ import annotations

import importlib
import json
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from bench.policy_value.off_policy_evaluation import Rounds
from experiments.science.bandit_rounds import read_rounds
from experiments.science.open_bandit import N_PLACES, average_policy, click_rates

Values = NDArray[np.float64]
Codes = NDArray[np.int64]

CAP = 2.0


@dataclass(frozen=True, eq=False)
class WholeRounds:
    """Rounds with what the policy and the reward model have for every action."""

    actions: Codes
    rewards: Values
    propensities: Values
    policy: Values
    model: Values

    def columns(self) -> Rounds:
        """The same as columns of the logged actions."""
        n = np.arange(len(self.actions))
        with np.errstate(divide="ignore"):
            log_policy = np.log(self.policy[n, self.actions])
        return Rounds(
            log_policy=log_policy,
            log_propensities=np.log(self.propensities),
            rewards=self.rewards,
            sessions=n,
            positions=0 * n,
            logged_reward_model=self.model[n, self.actions],
            policy_reward_model=(self.policy * self.model).sum(1),
        )


def made_up() -> WholeRounds:
    """400 rounds by arithmetic alone, the same with every version of numpy."""
    n = np.arange(400)[:, None]
    actions = np.arange(5)[None, :]
    logger = 1.0 + (7 * n + 3 * actions) % 11
    policy = 1.0 + (5 * n + 8 * actions * actions) % 13
    policy[:, 4] = 0
    shown = (n[:, 0] * n[:, 0] + n[:, 0] // 7) % 5
    return WholeRounds(
        actions=shown,
        rewards=((3 * n[:, 0] + shown) % 4 == 0).astype(np.float64),
        propensities=(logger / logger.sum(1, keepdims=True))[n[:, 0], shown],
        policy=policy / policy.sum(1, keepdims=True),
        model=((n + 2 * actions) % 9) / 10,
    )


def open_bandit(folder: Path) -> dict[str, WholeRounds]:
    """Each policy of the Men's campaign against the other's log; the model is not cross-fitted."""
    random, bts = (read_rounds(folder / logger / "men") for logger in ("random", "bts"))
    uniform = np.full((N_PLACES, len(bts.item_ids)), 1 / len(bts.item_ids))
    found = {}
    for name, rounds, policy in (
        ("bts_from_random", random, average_policy(bts)),
        ("random_from_bts", bts, uniform),
    ):
        rates = click_rates(rounds, np.ones(len(rounds.items), dtype=np.bool_))
        found[name] = WholeRounds(
            actions=rounds.items,
            rewards=rounds.clicks,
            propensities=rounds.propensities,
            policy=policy[rounds.positions - 1],
            model=np.tile(rates, (len(rounds.items), 1)),
        )
    return found


def of_obp(rounds: WholeRounds) -> dict[str, float]:
    """Estimates by obp's classes under our names."""
    ope: Any = importlib.import_module("obp.ope.estimators")
    logged = {
        "reward": rounds.rewards,
        "action": rounds.actions,
        "action_dist": rounds.policy[:, :, None],
        "position": np.zeros(len(rounds.actions), dtype=int),
    }
    weighted = logged | {"pscore": rounds.propensities}
    model = {"estimated_rewards_by_reg_model": rounds.model[:, :, None]}
    estimators: dict[str, tuple[Any, dict[str, Any]]] = {
        "ips": (ope.InverseProbabilityWeighting(), weighted),
        "clipped_ips": (ope.InverseProbabilityWeighting(lambda_=CAP), weighted),
        "snips": (ope.SelfNormalizedInverseProbabilityWeighting(), weighted),
        "dm": (ope.DirectMethod(), logged | model),
        "dr": (ope.DoublyRobust(), weighted | model),
        "sndr": (ope.SelfNormalizedDoublyRobust(), weighted | model),
        "switch_dr": (ope.SwitchDoublyRobust(lambda_=CAP), weighted | model),
    }
    return {
        name: float(estimator.estimate_policy_value(**arguments))
        for name, (estimator, arguments) in estimators.items()
    }


def main() -> None:
    """Print obp's figures and where they come from."""
    version: Any = importlib.import_module("obp.version")
    parts = {"made_up": made_up()}
    if len(sys.argv) > 1:
        parts |= open_bandit(Path(sys.argv[1]))
    provenance = {
        "obp": version.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "command": "python tests/bench/policy_value/obp_figures.py $BENCH_DATA_DIR/open-bandit",
        "cap": CAP,
    }
    figures = {name: of_obp(rounds) for name, rounds in parts.items()}
    print(json.dumps({"provenance": provenance, "figures": figures}, indent=1))


if __name__ == "__main__":
    main()
