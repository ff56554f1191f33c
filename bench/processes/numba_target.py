"""Compiles once, so that forked workers inherit what numba loads before its first loop."""

from __future__ import annotations

import numba

numba.njit("int64(int64)")(lambda number: number)
