"""States of a trained encoder after every prefix, for scoring."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from datasets.session_log import SessionLog
from models.common.recurrent.carried_states import CarriedStates
from models.common.recurrent.cells import SessionEncoder
from models.common.sessions.session_batches import BoolArray, SessionBatches
from models.recommender import FloatMatrix

SCORING_SLOTS = 256
SCORING_WINDOW = 32


@torch.no_grad()
def session_states(
    encoder: SessionEncoder,
    input_table: Tensor,
    sessions: SessionLog,
    device: torch.device,
    observed: BoolArray | None = None,
) -> FloatMatrix:
    """State of the last layer after every prefix, in the order of the log.

    Args:
        encoder: the trained encoder; runs without dropout.
        input_table: embedding of each item, (n_items, input_width).
        sessions: whole sessions; each costs O(length).
        device: where the encoder lives.
        observed: which events enter the state, bool (n_events,); None: all.

    Returns:
        float32 (n_prefixes, width): `n_targets` rows, since the last event of a session and
        sessions of one event are no prefix.
    """
    encoder.eval()
    batches = SessionBatches(sessions, batch_size=SCORING_SLOTS, window=SCORING_WINDOW)
    items = torch.as_tensor(np.asarray(sessions.items, dtype=np.int64), device=device)
    carried = CarriedStates(encoder, batches.n_slots, device)
    # Sessions that come before an event's own each hold one event that is no prefix.
    row_of_event = np.arange(sessions.n_events) - sessions.session_of_event
    rows = torch.empty(batches.n_targets, encoder.width, device=device)
    for window in batches:
        embedded = torch.nn.functional.embedding(
            items[torch.as_tensor(window.events, device=device)], input_table
        )
        enters = None if observed is None else observed[window.events]
        states = carried.before_targets(window, embedded, enters)
        places = row_of_event[window.targets - 1]
        rows[torch.as_tensor(places, device=device)] = states
    return rows.cpu().numpy()
