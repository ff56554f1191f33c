"""Rows of the items that one step uses, each taken out of its table once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from models.common.sampling.distinct import distinct
from models.common.sampling.ranking_losses import ScoreColumns
from models.common.training.item_table import ItemTable


class StepRows(NamedTuple):
    """What a step reads of its tables."""

    embedded: Tensor
    """Rows of the inputs, (T, W, input_width)."""
    items: Tensor
    """Rows of the distinct items that are scored, (U, width)."""
    bias: Tensor
    """Their biases, (U,)."""
    columns: ScoreColumns


def look_up(
    inputs: Tensor,
    targets: Tensor,
    negatives: Tensor,
    tables: tuple[ItemTable, ItemTable, ItemTable],
    *,
    has_momentum: bool,
) -> StepRows:
    """Rows for the inputs (T, W), and for the targets (R,) and negatives (m,) that are scored.

    `tables` hold inputs, items and biases. Where one table serves both inputs and items, an item
    that is input and scored has one row, whose gradient is the sum of both.
    """
    input_table, item_table, bias_table = tables
    n_scored, shared = len(targets) + len(negatives), input_table is item_table
    parts = [targets, negatives, inputs.flatten()]
    codes = torch.cat(parts if shared else parts[:2])
    used, places = distinct(codes, len(item_table))
    item_table.use(used)
    items = item_table.rows()
    input_places = places[n_scored:]
    if not shared:
        used_inputs, input_places = distinct(parts[2], len(input_table))
        input_table.use(used_inputs)
    embedded = input_table.rows(input_places).view(*inputs.shape, -1)
    columns = ScoreColumns(codes[:n_scored], places[:n_scored], len(targets), len(used))
    if has_momentum and shared:
        # Momentum moves every row in use, and an item that is only an input has no bias here: the
        # first column's item is listed in its place, without a gradient.
        used = torch.where(columns.holds_item, used, targets[0])
    bias_table.use(used)
    return StepRows(embedded, items, bias_table.rows(), columns)
