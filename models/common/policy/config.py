"""Options that all models with a softmax policy on a recurrent user state share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from models.common.options.checks import (
    require_not_negative,
    require_positive,
    require_share,
)
from models.common.options.search_ranges import Choices, LogRange, Range


@dataclass(frozen=True)
class PolicyConfig:
    """Options of user state, softmax and training, equal for all models that have them."""

    epochs: int = 30
    """Passes over the training log at most; early stopping may come first."""
    learning_rate: Annotated[float, LogRange(0.02, 0.15)] = 0.1
    """Step size of Adagrad."""
    batch_size: Annotated[int, LogRange(8, 128)] = 16
    """Sessions side by side."""
    truncation: int = 16
    """Steps of back-propagation through time."""
    width: Annotated[int, Choices((50, 100, 200))] = 100
    """Width of the user state and of the item embeddings."""
    cell: Literal["gru", "cfn"] = "cfn"
    """Recurrent cell of the user state; cfn is that of Chen et al. (eq. 5)."""
    zero_reward_in_state: bool | None = None
    """Whether actions without reward enter the user state. none: where the log has no propensities,
    so that users acted themselves; Chen et al. leave out what was shown and maybe not noticed."""
    negatives: int = 2048
    """Negatives of the sampled softmax, drawn for each update and shared by all heads."""
    negative_alpha: Annotated[float, Range(0.25, 0.75)] = 0.5
    """Negatives are drawn in proportion to support ** negative_alpha."""
    full_softmax_items: int = 2048
    """Catalogues up to this size use the full softmax."""
    dropout_embedding: Annotated[float, Range(0.0, 0.6)] = 0.5
    """Share of the input embedding dropped."""
    dropout_hidden: Annotated[float, Range(0.0, 0.6)] = 0.3
    """Share of the user state dropped, also in the state that is carried on."""
    momentum: Annotated[float, Range(0.0, 0.5)] = 0.0
    """Momentum on Adagrad's scaled step."""

    def __post_init__(self) -> None:
        require_positive(
            self, "epochs", "learning_rate", "batch_size", "truncation", "width", "negatives"
        )
        require_not_negative(self, "negative_alpha")
        require_share(self, "dropout_embedding", "dropout_hidden", "momentum")
