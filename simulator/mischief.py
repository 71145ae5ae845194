"""Mischief: all kinds of fault there are. They are registered by the modules that are imported here."""

from __future__ import annotations

from simulator import broken_sockets, odd_frames, wrong_answers
from simulator.fault import KINDS

__all__ = ["KINDS", "broken_sockets", "odd_frames", "wrong_answers"]
