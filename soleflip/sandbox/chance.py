"""Seeded chance whose whole state is one 64-bit number, so that a world of ten thousand dice is cheap to store."""

from __future__ import annotations

import hashlib
import math
import uuid

_MASK = (1 << 64) - 1


class Chance:
    """A splitmix64 generator: same state, same draws."""

    __slots__ = ("state",)

    def __init__(self, state: int) -> None:
        self.state = state & _MASK

    @classmethod
    def named(cls, *parts: object) -> Chance:
        """A generator of its own for a name, independent of all others."""
        digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
        return cls(int.from_bytes(digest, "big"))

    def bits(self) -> int:
        """64 random bits."""
        self.state = (self.state + 0x9E3779B97F4A7C15) & _MASK
        mixed = self.state
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return mixed ^ (mixed >> 31)

    def uniform(self) -> float:
        """A number in [0, 1)."""
        return (self.bits() >> 11) * 2.0**-53

    def between(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * self.uniform()

    def below(self, count: int) -> int:
        """An integer in [0, count)."""
        return self.bits() % count

    def exponential(self, mean: float) -> float:
        """A waiting time with that mean."""
        return -mean * math.log(1.0 - self.uniform())

    def normal(self) -> float:
        """A standard normal number."""
        return math.sqrt(-2.0 * math.log(1.0 - self.uniform())) * math.cos(2.0 * math.pi * self.uniform())

    def uuid(self) -> str:
        """A random UUID of version 4."""
        return str(uuid.UUID(int=(self.bits() << 64) | self.bits(), version=4))

    def digits(self, count: int) -> str:
        """A decimal number of exactly `count` digits."""
        return str(10 ** (count - 1) + self.bits() % (9 * 10 ** (count - 1)))
