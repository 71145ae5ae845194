"""Korean-looking sentences that hardly repeat: the simulator's vocabulary says the same few hundred lines all day.

Words of common syllables, some far more frequent than others (Zipf), with the laughs and the endings of a chat. None of
them means anything; what counts is how often something recurs, for that is what compression lives on.
"""

import bisect
import itertools
import random
from collections.abc import Iterator

_SYLLABLES = 900
_WORDS = 40_000
_MOST_WORDS = 9
_NEXT_WORD = 0.66
_FIRST_SYLLABLE, _ALL_SYLLABLES = 0xAC00, 11_172  # Hangul in Unicode


class Sentences:
    """An endless source, the same for the same seed."""

    def __init__(self, seed: str = "lexicon") -> None:
        lexicon = random.Random(seed)
        syllables = _Zipf(
            [chr(_FIRST_SYLLABLE + n) for n in lexicon.sample(range(_ALL_SYLLABLES), _SYLLABLES)], 0.9, shift=8
        )
        lengths = (1, 2, 2, 2, 3, 3, 3, 4, 4, 5)
        words = ["".join(syllables.draw(lexicon) for _ in range(lexicon.choice(lengths))) for _ in range(_WORDS)]
        self._words = _Zipf(words, 1.0, shift=5)
        self._chance = random.Random(f"{seed}/sentences")

    def __iter__(self) -> Iterator[str]:
        chance = self._chance
        while True:
            count = 1
            while count < _MOST_WORDS and chance.random() < _NEXT_WORD:
                count += 1
            line = " ".join(self._words.draw(chance) for _ in range(count))
            dice = chance.random()
            if dice < 0.2:
                line += "ㅋ" * (1 + int(chance.random() * chance.random() * 14))
            elif dice < 0.26:
                line += "ㅠ" * (1 + int(chance.random() * 3))
            elif dice < 0.36:
                line += chance.choice(("?", "??", "!", "..", "~", " ㄷㄷ"))
            yield line


class _Zipf:
    """Things of which the first are drawn far more often than the last."""

    def __init__(self, things: list[str], exponent: float, shift: int) -> None:
        self._things = things
        weights = (1 / (rank + shift) ** exponent for rank in range(len(things)))
        self._cumulative = list(itertools.accumulate(weights))

    def draw(self, chance: random.Random) -> str:
        return self._things[bisect.bisect(self._cumulative, chance.random() * self._cumulative[-1])]
