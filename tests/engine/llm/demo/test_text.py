import pytest

from engine.llm.demo.text import key_sentences, key_words, sentences, shortened, stem, token_count, words


@pytest.mark.parametrize(("text", "count"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("x" * 400, 100)])
def test_four_characters_begun_are_a_token(text: str, count: int) -> None:
    assert token_count(text) == count


@pytest.mark.parametrize(
    "family",
    [
        ("price", "prices", "priced", "pricing"),
        ("buy", "buys", "buying"),
        ("crash", "crashes", "crashed", "crashing"),
        ("company", "companies"),
        ("ship", "shipping", "shipped"),
        ("customer", "customer's", "customers"),
    ],
)
def test_forms_of_a_word_have_one_stem(family: tuple[str, ...]) -> None:
    assert len({stem(word) for word in family}) == 1


@pytest.mark.parametrize("word", ["a", "is", "business", "less", "need", "die"])
def test_a_stem_is_never_empty(word: str) -> None:
    assert stem(word)


def test_words_are_found_in_any_script() -> None:
    assert words("Don\u2019t panic, Zo\u00eb! \u4f60\u597d 42") == [
        "don't",
        "panic",
        "zo\u00eb",
        "\u4f60\u597d",
        "42",
    ]


def test_each_line_is_a_sentence() -> None:
    assert sentences("One. Two!\nThree\n\n  Four?") == ["One.", "Two!", "Three", "Four?"]
    assert sentences(" \n ") == []


def test_key_sentences_are_those_with_the_words_that_come_up_most() -> None:
    text = (
        "Good morning. The router drops packets. We replaced the router twice. Lunch was nice. "
        "The router still drops packets every hour."
    )
    found = key_sentences(text, 2)
    assert found == ["The router drops packets.", "The router still drops packets every hour."]
    assert key_sentences(text, 2) == found
    assert key_sentences("", 2) == []


def test_key_words_leave_out_what_means_nothing() -> None:
    assert key_words("The router and the other router are with the modem", 2) == ["router", "modem"]


def test_shortened_text_ends_at_a_word() -> None:
    assert shortened("one two  three", 100) == "one two three"
    assert shortened("one two three", 9) == "one two…"
