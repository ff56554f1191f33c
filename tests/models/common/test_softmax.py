"""Softmax and its partition function against float64."""

from __future__ import annotations

import pytest
import torch

from models.common.sampling.softmax import softmax_and_log_partition


@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0, 1e4])
def test_agrees_with_float64_at_any_scale(scale: float) -> None:
    logits = scale * torch.randn(20, 300, generator=torch.Generator().manual_seed(1))
    probabilities, log_partition = softmax_and_log_partition(logits.clone())
    exact = logits.double()
    torch.testing.assert_close(probabilities, torch.softmax(exact, 1).float())
    torch.testing.assert_close(log_partition, torch.logsumexp(exact, 1, keepdim=True).float())


def test_items_at_minus_infinity_have_no_part() -> None:
    logits = torch.tensor([[-torch.inf, 2.0, -torch.inf], [-torch.inf, -torch.inf, -300.0]])
    probabilities, log_partition = softmax_and_log_partition(logits)
    assert probabilities.tolist() == [[0, 1, 0], [0, 0, 1]]
    assert log_partition.tolist() == [[2], [-300]]
