"""The page of `parity.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tabulate import tabulate

Row = Mapping[str, Any]

PAGE = """\
# GRU4Rec against its authors' own code

Both train on the same files at the same settings: the authors' defaults (hidden 100, constrained
embedding, batch 64, learning rate 0.05, no momentum, no dropout, 2,048 draws with alpha 0.5,
one-step truncation; the plans are `experiments/configs/parity_*.toml`), no validation part, every
next event of the test sessions ranked against the whole catalogue, ties against the model.
*Authors* is what their PyTorch version (commit d1fc311) reaches by its own evaluation, with one
seed ([their figures](../experiments/published/gru4rec_authors.toml)). This page is written by

```sh
make parity    # with BENCH_DATA_DIR naming the folder of the logs
```

or, for one log, `python experiments/published/parity.py --logs retailrocket`. Trials that are
finished are not trained again. The command fails if the mean over seeds falls short of the authors'
figure by more than {tolerance:.0f} % in either metric.

{results}

± is the standard deviation over seeds. The test sessions are the same on both sides, so the
difference has the chance of training in it and not that of the sessions; the authors' side has
one training, whose own chance is not known.{missing}

## Seed by seed

The last column is the mean's distance to the authors' figure in standard deviations of the seeds
here, Recall@20 / MRR@20: a setting within the tolerance may lie further off than another seed
explains.

{seeds}
{pairs}
## The logs

Diginetica, RetailRocket and nowplaying are the files that papers on graph models of sessions share:
Diginetica as cut by SR-GNN, RetailRocket with at most 19 events a session. Figures of other
preparations of the same data do not compare with these. On ml-1m-sequences a tenth of the users is
held out; the two counting models stand in the table to show that they are the same users.

## Versions

{versions}

How fast both are: [performance.md](performance.md).
"""

SEED_HEADERS = ("log", "setting", "test events", "Recall@20", "MRR@20", "commit", "deviations")

PAIRS = """
## Between settings

Difference to cross-entropy on the same log, seed by seed, then mean ± standard deviation of the
pairs. One seed gives both settings the same initial weights.

{table}
"""


def results_table(rows: Sequence[Row]) -> str:
    """Authors' figures beside means over seeds, as markdown."""
    headers = ("log", "setting", "epochs", "seeds", "authors", "here", "difference", "")
    cells = [
        (
            row["log"],
            row["setting"],
            row["epochs"] or "",
            len(row["seeds"]),
            _both(row, lambda of: _share(of["authors"])),
            _both(row, lambda of: _share(of["mean"]) + _spread(of["sd"])),
            _both(row, lambda of: f"{of['difference']:+.1%}".replace("%", " %")),
            "**short**" if row["short"] else "within",
        )
        for row in rows
    ]
    return "Recall@20 / MRR@20:\n\n" + _markdown(cells, headers)


def page_markdown(
    rows: Sequence[Row], pairs: Sequence[Row], missing: Sequence[str], tolerance: float
) -> str:
    """The whole page; `missing` names logs without trials."""
    seeds = [
        (
            row["log"],
            row["setting"],
            f"{row['predicted_events']:,}",
            *(_by_seed(row[name]) for name in ("recall", "mrr")),
            ", ".join(_short_commit(commit) for commit in row["commits"]),
            _both(row, _deviations),
        )
        for row in rows
    ]
    versions = {
        ", ".join(f"{name} {version}" for name, version in row["versions"].items()): None
        for row in rows
    }
    return PAGE.format(
        tolerance=100 * tolerance,
        results=results_table(rows),
        missing=f" Not measured: {', '.join(missing)}." if missing else "",
        seeds=_markdown(seeds, SEED_HEADERS),
        pairs=PAIRS.format(table=_pairs_table(pairs) + _reversals(pairs)) if pairs else "",
        versions="\n".join(versions),
    )


def _pairs_table(pairs: Sequence[Row]) -> str:
    headers = ("log", "setting", "metric", "authors", "seed by seed", "mean")
    cells = [
        (
            pair["log"],
            " - ".join(pair["settings"]),
            metric,
            f"{pair[name]['authors']:+.4f}",
            ", ".join(f"{value:+.4f}" for value in pair[name]["by_seed"]),
            f"{pair[name]['mean']:+.4f}{_spread(pair[name]['sd'])}",
        )
        for pair in pairs
        for name, metric in (("recall", "Recall@20"), ("mrr", "MRR@20"))
    ]
    return _markdown(cells, headers)


def _reversals(pairs: Sequence[Row]) -> str:
    """A sentence on differences of which every seed has another sign than the authors'."""
    found = [
        f"{' - '.join(pair['settings'])} on {pair['log']} in {metric}"
        for pair in pairs
        for name, metric in (("recall", "Recall@20"), ("mrr", "MRR@20"))
        if all(value * pair[name]["authors"] < 0 for value in pair[name]["by_seed"])
    ]
    if not found:
        return ""
    return (
        "\n\nAll seeds here have the opposite sign of the authors' one training: "
        f"{'; '.join(found)}. The order of these two settings is not reproduced."
    )


def _markdown(cells: Sequence[Sequence[Any]], headers: Sequence[str]) -> str:
    table: str = tabulate(cells, headers, tablefmt="github", disable_numparse=True)
    return table


def _both(row: Row, text: Callable[[Row], str]) -> str:
    return " / ".join(text(row[name]) for name in ("recall", "mrr"))


def _deviations(of: Row) -> str:
    return f"{(of['mean'] - of['authors']) / of['sd']:+.1f}" if of["sd"] else "-"


def _by_seed(figures: Row) -> str:
    values = figures["by_seed"]
    if figures["sd"] == 0:
        return f"{_share(values[0])}, all"
    return ", ".join(map(_share, values))


def _share(value: float) -> str:
    return f"{value:.4f}"


def _spread(sd: float | None) -> str:
    return "" if sd is None else f" ± {sd:.4f}"


def _short_commit(commit: str) -> str:
    """Seven digits, and "-dirty" where the commit says so."""
    digits, dash, dirty = commit.partition("-")
    return digits[:7] + dash + dirty
