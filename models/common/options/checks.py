"""Range checks that the configs of several models share; each names the option it refuses."""

from __future__ import annotations

from typing import Any


def require_positive(config: Any, *names: str) -> None:
    """Raise ValueError unless each of these options is greater than 0."""
    for name in names:
        if not getattr(config, name) > 0:
            raise ValueError(f"{name} must be greater than 0, not {getattr(config, name)}")


def require_not_negative(config: Any, *names: str) -> None:
    """Raise ValueError if one of these options is below 0."""
    for name in names:
        if getattr(config, name) < 0:
            raise ValueError(f"{name} must not be negative, not {getattr(config, name)}")


def require_share(config: Any, *names: str) -> None:
    """Raise ValueError unless each of these options is at least 0 and below 1."""
    for name in names:
        if not 0 <= getattr(config, name) < 1:
            raise ValueError(f"{name} must be at least 0 and below 1")
