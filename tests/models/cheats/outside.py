"""Models that look for the test events on disk and in memory."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

import numpy as np

from datasets.session_log import SessionLog
from models.recommender import FloatMatrix
from tests.models.cheats.honest import Honest, positions


class ReadsTable(Honest):
    """Reads the user's table when it scores"""

    def score(self, sessions: SessionLog) -> FloatMatrix:
        return self.with_answers(sessions, self.answers(sessions))

    def answers(self, sessions: SessionLog) -> dict[tuple[str, int], int]:
        """Item code by session id and place."""
        codes = {item: code for code, item in enumerate(sessions.item_ids.tolist())}
        found: dict[str, list[int]] = {}
        for line in Path("log.csv").read_text().splitlines()[1:]:
            session, item, _ = line.split(",")
            if item in codes:
                found.setdefault(session, []).append(codes[item])
        return {(name, i): item for name, of in found.items() for i, item in enumerate(of)}

    def with_answers(self, sessions: SessionLog, answers: dict[Any, int]) -> FloatMatrix:
        """The honest scores, with what is known put first."""
        scores = super().score(sessions)
        followed = sessions.position_in_session > 0
        names = sessions.session_ids[sessions.session_of_event[followed]].tolist()
        for row, key in enumerate(zip(names, positions(sessions).tolist(), strict=True)):
            if key in answers:
                scores[row, answers[key]] = 1e9
        return scores


class ReadsSplit(ReadsTable):
    """Reads the test events that lie beside the trials"""

    def answers(self, sessions: SessionLog) -> dict[tuple[str, int], int]:
        for file in Path("results").glob("splits/*/*.npy"):
            np.load(file)
        raise AssertionError("it could read the test events")


class ReadsCache(ReadsTable):
    """Reads the preprocessed log in the user's cache"""

    def answers(self, sessions: SessionLog) -> dict[tuple[str, int], int]:
        for file in Path(os.environ["BENCH_CACHE_DIR"]).glob("logs/*/*.npy"):
            np.load(file, mmap_mode="r")
        raise AssertionError("it could read the log")


class SearchesMemory(ReadsTable):
    """Searches the memory of its process for logs"""

    def answers(self, sessions: SessionLog) -> dict[tuple[str, int], int]:
        return {
            (log.session_ids[session], place): item
            for log in gc.get_objects()
            if isinstance(log, SessionLog)
            for session, place, item in zip(
                log.session_of_event, log.position_in_session, log.items, strict=True
            )
        }
