"""A fault: one thing that goes wrong at one moment, and the table of the kinds there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulator.stage import Stage


class FaultError(ValueError):
    """A fault of an unknown kind, or with a parameter that its kind does not have."""


class Fault:
    """One fault on a channel's timeline: ``Fault(90, "close", code=1000)``.

    ``at_sec``: simulated seconds since the simulation's start. The kinds, their parameters and defaults are listed in
    the three modules that simulator/mischief.py names.
    """

    __slots__ = ("at_sec", "kind", "params")

    def __init__(self, at_sec: float, kind: str, **params: Any) -> None:
        self.at_sec = at_sec
        self.kind = kind
        self.params: Mapping[str, Any] = params

    def __repr__(self) -> str:
        return f"Fault({self.at_sec}, {self.kind!r}, **{dict(self.params)})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Fault):
            return NotImplemented
        return (self.at_sec, self.kind, dict(self.params)) == (other.at_sec, other.kind, dict(other.params))

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Fault:
        """Read ``{"at_sec": .., "kind": .., <parameters>}``; raise FaultError when one of the two is missing."""
        missing = [name for name in ("at_sec", "kind") if name not in values]
        if missing:
            raise FaultError(f"a fault needs {' and '.join(missing)}: {dict(values)}")
        return cls(**values)


class FaultKinds:
    """The kinds of fault: a name, its parameters with their defaults, and the function that does it."""

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[dict[str, Any], Callable[..., None]]] = {}

    def kind(self, name: str, **defaults: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
        """Register the decorated ``(stage, **params)`` as what a fault of this name does."""

        def register(act: Callable[..., None]) -> Callable[..., None]:
            self._kinds[name] = (defaults, act)
            return act

        return register

    def parameters(self) -> dict[str, list[str]]:
        """The names of each kind's parameters."""
        return {kind: list(defaults) for kind, (defaults, _) in self._kinds.items()}

    def check(self, fault: Fault) -> None:
        """Raise FaultError, saying what there is, unless the fault can be played."""
        if fault.kind not in self._kinds:
            raise FaultError(f"unknown fault kind {fault.kind!r}; there are {', '.join(sorted(self._kinds))}")
        defaults, _ = self._kinds[fault.kind]
        unknown = sorted(set(fault.params) - set(defaults))
        if unknown:
            raise FaultError(
                f"fault {fault.kind!r} has no {', '.join(unknown)}; it has {', '.join(defaults) or 'none'}"
            )

    def play(self, stage: Stage, fault: Fault) -> None:
        """Do what the fault says, now."""
        defaults, act = self._kinds[fault.kind]
        act(stage, **{**defaults, **fault.params})


@dataclass(slots=True)
class Spell:
    """How long something goes on going wrong: so many times, or until a simulated second."""

    times: int
    until_sec: float | None

    def strikes(self, now_sec: float) -> bool:
        """Whether it goes wrong once more, now."""
        if self.until_sec is not None:
            return now_sec < self.until_sec
        self.times -= 1
        return self.times >= 0


KINDS = FaultKinds()
