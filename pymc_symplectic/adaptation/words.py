"""What a chain has chosen in warm-up, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["in_words"]


def in_words(choice: Mapping[str, Any]) -> str:
    """Which integrator, trajectory and learned kinetic energy were chosen, and why no other, in a few words."""
    length = f" of {choice['time']:.2f}" if "time" in choice else ""
    length += f", {choice['repeats']} to a draw" if choice.get("repeats", 1) > 1 else ""
    length += ", of steps that are divided where they are too long" if choice.get("divides") else ""
    reason = f", because {choice['reason']}" if "reason" in choice else ""
    momenta = f"; {choice['energy']} momenta" if "energy" in choice else ""
    momenta += f", because {choice['energy_reason']}" if "energy_reason" in choice else ""
    weights = _centered(choice.get("centered", {}))
    if "moved" in choice:
        weights += "; begun anew where another chain was"
    if "surrogate" in choice:
        times = "1 transition" if choice["repeats"] == 1 else f"{choice['repeats']} transitions"
        return f"surrogate, a {choice['surrogate']} ({choice['features']} features), {times} to a value{weights}"
    missing = f"; no surrogate, because {choice['surrogate_reason']}" if "surrogate_reason" in choice else ""
    return f"{choice['integrator']}, {choice['trajectory']}{length}{reason}{momenta}{missing}{weights}"


def _centered(weights: Mapping[str, Any]) -> str:
    """How far each variable that has been reparametrised is centered, in words."""
    if not weights:
        return ""
    parts = [
        f"{name} {np.min(weight):.2g}" + (f" to {np.max(weight):.2g}" if np.ndim(weight) else "")
        for name, weight in weights.items()
    ]
    return f"; centered by (0 not at all, 1 altogether) {', '.join(parts)}"
