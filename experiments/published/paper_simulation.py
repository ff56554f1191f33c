"""Section 6.1 of the paper behind TOCR, learnt by the loss of `tocr` itself.

Chen et al., WSDM 2019, arXiv 1812.02353. Simulation 6.1.1 compares off-policy correction with none,
6.1.2 the top-K correction with none; both have ten actions, no state and a softmax policy whose
logits start at zero. Every learnt policy stands beside its fixed point in closed form. The last
line is one JSON object: ten probabilities under each of six names.

    python experiments/published/paper_simulation.py
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from tabulate import tabulate
from torch import Tensor

# Of this repository, Python would search the script's own folder alone.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from experiments.published.paper_policies import (
    DESCENT_STEPS,
    N_ACTIONS,
    OFF_POLICY,
    TOP_K,
    Learnt,
    Objective,
    expected_reward,
    learn,
    set_value,
)

FIGURES = Path(__file__).resolve().parents[2] / "docs" / "figures"
CORRECTIONS = {
    "naive": Objective(off_policy=False),
    "corrected": Objective(),
    "capped_e3": Objective(cap=math.e**3),
}
CAPS = {f"capped_{cap:g}": Objective(cap=cap) for cap in (1.0, 3.0, 10.0, 40.0, 49.5)}
SET_SIZES = {f"top_{k}": Objective(k=k) for k in (1, 2, 16)}
FURTHER_SET_SIZES = {f"top_{k}": Objective(k=k) for k in (3, 4, 8)}


def table(runs: Iterable[Learnt], value: str, value_of: Callable[[Tensor], float]) -> str:
    """Probabilities of every run above those of its fixed point."""
    rows: list[list[object]] = []
    for run in runs:
        for source, policy in (("learnt", run.policy), ("sampled SGD", run.sampled)):
            if policy is not None:
                deviation = float((policy - run.exact).abs().max())
                rows.append([run.name, source, *policy.tolist(), value_of(policy), deviation])
        rows.append([run.name, "fixed point", *run.exact.tolist(), value_of(run.exact), None])
    actions = [f"a{i}" for i in range(1, N_ACTIONS + 1)]
    headers = ["run", "", *actions, value, "max deviation"]
    formats = ("", "", *[".4f"] * N_ACTIONS, ".3f", ".5f")
    return tabulate(rows, headers, tablefmt="github", floatfmt=formats)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="Section 6.1 of Chen et al. 2019 with the loss of tocr itself."
    )
    parser.add_argument(
        "--figures", type=Path, default=FIGURES, metavar="DIR", help="folder for the two PNG files"
    )
    parser.add_argument("--no-figures", action="store_true", help="write no PNG files")
    parser.add_argument(
        "--steps",
        type=int,
        default=DESCENT_STEPS,
        metavar="N",
        help="steps of gradient descent on the expected gradient",
    )
    parser.add_argument(
        "--sampled-steps",
        type=int,
        default=4_000,
        metavar="N",
        help="steps of SGD on sampled batches beside the expected gradient; 0: none",
    )
    return parser.parse_args()


def main() -> None:
    """Learn all policies, print both tables and the JSON line, and draw the figures."""
    options = arguments()
    torch.set_num_threads(1)
    steps, sampled_steps = options.steps, options.sampled_steps
    off_policy = learn(OFF_POLICY, CORRECTIONS, n_steps=steps, sampled_steps=sampled_steps)
    caps = learn(OFF_POLICY, CAPS, n_steps=steps)
    top_k = learn(TOP_K, SET_SIZES, n_steps=steps, sampled_steps=sampled_steps)
    further = learn(TOP_K, FURTHER_SET_SIZES, n_steps=steps)
    k_sweep = sorted([*top_k, *further], key=lambda run: run.objective.k)

    print("6.1.1 off-policy correction: r(a_i) = i, beta(a_i) = (11 - i) / 55, K = 1\n")
    print(table([*off_policy, *caps], "E[r]", lambda policy: expected_reward(policy, OFF_POLICY)))
    print("\n6.1.2 top-K correction: r = 10, 9, 1, ..., 1, beta = 1/10, no cap\n")
    print(table(k_sweep, "two draws", lambda policy: set_value(policy, TOP_K, 2)))
    if not options.no_figures:
        from experiments.published.paper_figures import draw_off_policy, draw_top_k

        options.figures.mkdir(parents=True, exist_ok=True)
        for name, draw, runs in (
            ("paper_simulation_off_policy.png", draw_off_policy, [*off_policy, *caps]),
            ("paper_simulation_top_k.png", draw_top_k, k_sweep),
        ):
            draw(runs, options.figures / name)
            print(f"\nwrote {options.figures / name}", end="")
        print()
    print(f"\n{json.dumps({run.name: run.policy.tolist() for run in [*off_policy, *top_k]})}")


if __name__ == "__main__":
    main()
