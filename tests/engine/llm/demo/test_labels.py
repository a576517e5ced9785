import pytest

from engine.llm.demo.labels import Label, best_label

LEADS = [Label("hot"), Label("cold")]
TICKETS = [Label("billing"), Label("bug"), Label("other")]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("We need 50 seats by Friday and have a budget of 20k. Please send pricing.", "hot"),
        ("URGENT: please call me today, we want to buy", "hot"),
        ("Can I get a demo and a quote for the enterprise plan?", "hot"),
        ("Thanks, just browsing around.", "cold"),
        ("Maybe someday, I am only a curious student", "cold"),
        ("Please unsubscribe me from your newsletter", "cold"),
        ("We have no budget and don't need a demo", "cold"),
        ("This lead is cold", "cold"),
    ],
)
def test_leads_are_told_apart(text: str, label: str) -> None:
    verdict = best_label(text, LEADS)
    assert verdict.label == label
    assert 0.5 < verdict.confidence <= 0.99


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("My card was charged twice for the same invoice", "billing"),
        ("The app crashes with an error after login", "bug"),
        ("Is your office dog friendly", "other"),
    ],
)
def test_tickets_are_told_apart(text: str, label: str) -> None:
    assert best_label(text, TICKETS).label == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I love it, great service!", "positive"),
        ("Terrible, I am very disappointed", "negative"),
        ("Not good", "negative"),
    ],
)
def test_moods_are_told_apart(text: str, label: str) -> None:
    assert best_label(text, [Label("positive"), Label("negative"), Label("neutral")]).label == label


def test_descriptions_speak_for_their_labels() -> None:
    labels = [Label("a", "fruit, like apples and pears"), Label("b", "vehicles, like cars and trucks")]
    assert best_label("I drove the truck home", [*labels]).label == "b"
    assert best_label("She ate an apple", [*labels]).label == "a"


def test_more_evidence_is_more_certain() -> None:
    little = best_label("What is the price?", LEADS)
    much = best_label(
        "What is the price? We need a quote today, the budget is approved, ready to sign", LEADS
    )
    assert little.label == much.label == "hot"
    assert little.confidence < much.confidence


@pytest.mark.parametrize("count", [2, 3, 7])
def test_without_evidence_it_is_the_first_and_a_guess(count: int) -> None:
    labels = [Label(f"l{number}") for number in range(count)]
    verdict = best_label("qwertz", labels)
    assert (verdict.label, verdict.confidence) == ("l0", round(1 / count, 2))


def test_the_same_text_has_the_same_verdict() -> None:
    assert best_label("need pricing", LEADS) == best_label("need pricing", LEADS)
    assert best_label("", LEADS).confidence == 0.5
