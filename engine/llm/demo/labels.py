"""Which label fits a text: by the words they share, and by what commonly speaks for a label of that name."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from engine.llm.demo.text import stem, stems, words

NAME_WEIGHT = 3.0
CUE_WEIGHT = 2.0
DESCRIPTION_WEIGHT = 1.0
SPREAD = 3.0
"""By how much a score must be ahead for the odds to grow by e."""
MOST_CONFIDENT = 0.99
"""Word counts are never certain."""
FALLBACK_WEIGHT = 0.1
"""What a label like `other` has before the text is read, so that it is taken where nothing speaks for any."""

_NEGATIONS = frozenset(
    {"no", "not", "never", "without", "don't", "doesn't", "isn't", "can't", "won't", "aren't"}
)
_NEGATION_REACH = 3


@dataclass(frozen=True, slots=True)
class Label:
    name: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`confidence`: 0 to 1, from how far the label is ahead of the others."""

    label: str
    confidence: float


@dataclass(frozen=True, slots=True)
class _Affinity:
    """`cues` in a text speak for a label with one of `names` in it; negated, for `opposite`."""

    names: frozenset[str]
    cues: frozenset[str]
    opposite: str | None = None


def _roots(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in text.split())


_FALLBACKS = _roots("other unknown none neutral general misc unclear")
_AFFINITIES = {
    "hot": _Affinity(
        _roots("hot high urgent urgency priority critical qualified sales buyer ready"),
        _roots(
            "urgent urgently asap today tomorrow immediately now deadline buy buying purchase order price "
            "pricing cost quote budget contract demo trial seats licenses upgrade sign ready call meeting "
            "monday friday soon need enterprise proposal rollout"
        ),
        "cold",
    ),
    "cold": _Affinity(
        _roots("cold low unqualified later nurture"),
        _roots(
            "thanks thank just browsing browse looking around maybe someday eventually later curious student "
            "homework newsletter unsubscribe wondering whenever nothing"
        ),
    ),
    "warm": _Affinity(
        _roots("warm medium moderate normal"),
        _roots(
            "interested compare comparing consider considering evaluate evaluating options learn details next"
        ),
        "cold",
    ),
    "positive": _Affinity(
        _roots("positive happy praise satisfied good"),
        _roots(
            "great love loved excellent amazing perfect happy thanks thank wonderful awesome helpful fast "
            "good best"
        ),
        "negative",
    ),
    "negative": _Affinity(
        _roots("negative unhappy complaint angry dissatisfied bad"),
        _roots(
            "bad terrible awful hate broken angry disappointed disappointing worst slow refund unacceptable "
            "poor complaint complain rude useless waited"
        ),
        "positive",
    ),
    "billing": _Affinity(
        _roots("billing payment invoice finance refund accounting"),
        _roots("invoice charged charge payment paid card refund subscription receipt billing tax vat price"),
    ),
    "technical": _Affinity(
        _roots("technical support bug error issue incident engineering problem"),
        _roots(
            "error crash crashes bug broken fails failing login password install timeout outage down "
            "exception"
        ),
    ),
    "spam": _Affinity(
        _roots("spam junk scam"),
        _roots(
            "winner lottery prize casino viagra crypto bitcoin free click million congratulations seo "
            "backlinks"
        ),
    ),
    "question": _Affinity(
        _roots("question inquiry information request"),
        _roots("how what when where why which does could wondering question explain tell know"),
    ),
}


def best_label(text: str, labels: Sequence[Label]) -> Verdict:
    """The label with the highest score; of equals the first. Without any evidence the confidence is 1/n."""
    cues = _cue_weights(text)
    present = set(stems(text)) | {stem(word) for word in words(text)}
    scores = [_score(label, present, cues) for label in labels]
    top = max(scores)
    total = sum(math.exp((score - top) / SPREAD) for score in scores)
    return Verdict(labels[scores.index(top)].name, min(round(1 / total, 2), MOST_CONFIDENT))


def _score(label: Label, present: set[str], cues: dict[str, float]) -> float:
    name = {stem(word) for word in words(label.name)}
    described = set(stems(label.description)) - name
    score = NAME_WEIGHT * len(name & present) + DESCRIPTION_WEIGHT * len(described & present)
    for kind, affinity in _AFFINITIES.items():
        if name & affinity.names:
            score += cues[kind]
    return score + (FALLBACK_WEIGHT if name & _FALLBACKS else 0.0)


def _cue_weights(text: str) -> dict[str, float]:
    """How much each affinity's cues weigh in the text. Each counts once, a negated one for the opposite."""
    found: dict[str, set[tuple[str, str]]] = {kind: set() for kind in _AFFINITIES}
    sequence = words(text)
    for index, word in enumerate(sequence):
        root = stem(word)
        negated = not _NEGATIONS.isdisjoint(sequence[max(0, index - _NEGATION_REACH) : index])
        for kind, affinity in _AFFINITIES.items():
            if root in affinity.cues:
                target = affinity.opposite if negated else kind
                if target is not None:
                    found[target].add((kind, root))
    return {kind: CUE_WEIGHT * len(cues) for kind, cues in found.items()}
