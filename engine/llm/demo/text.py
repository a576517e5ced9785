"""Text as the demo model sees it: words, stems, sentences, and how much they weigh."""

import math
import re
from collections import Counter

LONGEST = 200_000
"""Characters of a text that are looked at; what comes after them is only counted."""
LONGEST_WORD = 40

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)?")
_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'\u201d\u2019)]*\s+|\s*\n\s*")
_SUFFIXES = ("ingly", "edly", "ings", "ing", "ers", "er", "est", "ies", "ied", "ed", "ly", "es", "s")
_STOP_WORDS = frozenset(
    _WORD.findall(
        """
        a about above after again all also am an and any are as at be because been before being below
        between both but by can cannot could did do does doing down during each few for from further had has
        have having he her here hers herself him himself his how i if in into is it its itself just let me
        more most my myself no not of off on once only or other our ours out over own please same she should
        so some such than that the their theirs them then there these they this those through to too under
        until up us very was we were what when where which while who whom why will with would you your yours
        yourself hi hello dear regards
        """
    )
)


def token_count(text: str) -> int:
    """One token for every four characters begun, which is near what English takes elsewhere."""
    return math.ceil(len(text) / 4)


def words(text: str) -> list[str]:
    """The words in their order, lower case."""
    return [word.replace("\u2019", "'") for word in _WORD.findall(text[:LONGEST].lower())]


def stem(word: str) -> str:
    """The word without its ending, so that `priced`, `pricing` and `prices` are one."""
    word = word.removesuffix("'s")
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and not (suffix == "s" and word.endswith("ss")):
            root = word[: -len(suffix)]
            if len(root) >= 3:
                word = root + ("y" if suffix in ("ies", "ied") else "")
                break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


def stems(text: str) -> list[str]:
    """The stems of the words that carry meaning, in their order."""
    return [stem(word) for word in words(text) if word not in _STOP_WORDS]


def sentences(text: str) -> list[str]:
    """Each line is at least one sentence."""
    return [part.strip() for part in _SENTENCE_END.split(text[:LONGEST]) if part and part.strip()]


def key_sentences(text: str, count: int) -> list[str]:
    """The sentences with the most frequent words, in the order in which they stand in the text."""
    found = list(dict.fromkeys(sentences(text)))
    frequency = Counter(stems(text))

    def weight(sentence: str) -> float:
        distinct = set(stems(sentence))
        return sum(frequency[each] for each in distinct) / math.sqrt(len(distinct)) if distinct else 0.0

    best = sorted(range(len(found)), key=lambda index: (-weight(found[index]), index))[:count]
    return [found[index] for index in sorted(best)]


def key_words(text: str, count: int) -> list[str]:
    """The words that come up most, as they are first written; longer ones before shorter ones."""
    shown: dict[str, str] = {}
    frequency: Counter[str] = Counter()
    for word in words(text):
        if word in _STOP_WORDS or not 3 <= len(word) <= LONGEST_WORD:
            continue
        root = stem(word)
        shown.setdefault(root, word)
        frequency[root] += 1
    best = sorted(shown, key=lambda root: (-frequency[root], -len(root)))[:count]
    return [word for root, word in shown.items() if root in best]


def shortened(text: str, longest: int) -> str:
    """The text in one line, cut at a word."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1].rsplit(" ", 1)[0] + "…"
