"""The catalogue of a split, stored once beside its test events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.store.files import reading_arrays
from datasets.session_log import IntArray, StringArray

CATALOGUE = "catalogue.npz"


def split_folder(output: Path, fingerprint: str) -> Path:
    """Folder of a split's test events and catalogue."""
    return output / "splits" / fingerprint[:16]


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Items by their code, shapes (n_items,)."""

    item_ids: StringArray
    """Id of each item as the source wrote it."""
    support: IntArray
    """Events of each item in what models train on."""
    titles: StringArray | None = None
    """Empty for an item without; None if the data set has none."""

    def __len__(self) -> int:
        return len(self.item_ids)

    def save(self, folder: Path) -> None:
        """Write `catalogue.npz` into the existing `folder`."""
        columns = {"item_ids": self.item_ids, "support": self.support}
        if self.titles is not None:
            columns["titles"] = self.titles
        with (folder / CATALOGUE).open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **columns)

    @classmethod
    def load(cls, folder: Path) -> Catalogue:
        """Read what `save` wrote; raises `InputError` where it is missing or damaged."""
        file = folder / CATALOGUE
        with reading_arrays(file, "run the benchmark's own command again to fix it") as columns:
            return cls(**columns)


def titles_in_order(item_ids: StringArray, titles: Mapping[str, str]) -> StringArray | None:
    """Title of each item, empty for an item without, (n_items,); None where none has one."""
    found = [titles.get(item_id, "") for item_id in item_ids.tolist()]
    return np.array(found, dtype=np.str_) if any(found) else None
