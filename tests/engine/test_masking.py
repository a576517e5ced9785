"""Secrets in whatever dress: plain, encoded, escaped, cut into tokens, as keys and as numbers."""

import base64
import html
import json
from itertools import pairwise
from urllib.parse import quote, quote_plus

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.masking import MASK, MaskedEvents, Masker

secrets = st.text(min_size=4, max_size=60).filter(
    lambda text: len(text.strip()) >= 4 and "•" not in text and text.isprintable()
)
json_like = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
)
around = st.text(alphabet="xyz ,.:", max_size=20)
DRESSES = {
    "plain": str,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for addresses": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 without padding": lambda text: base64.b64encode(text.encode()).decode().rstrip("="),
    "base64 in an address": lambda text: quote(base64.b64encode(text.encode()).decode(), safe=""),
    "percent": lambda text: quote(text, safe=""),
    "percent in small letters": lambda text: quote(text, safe="").lower() if text.islower() else text,
    "percent, slashes kept": quote,
    "a form": quote_plus,
    "httpx": lambda text: str(httpx.URL("http://a.example/").copy_merge_params({"k": text}).query, "ascii"),
    "json": lambda text: json.dumps(text)[1:-1],
    "json in utf-8": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "json in json": lambda text: json.dumps(json.dumps(text))[3:-3],
    "html": html.escape,
}


def masker(*values: str) -> Masker:
    made = Masker()
    made.add(values)
    return made


@pytest.mark.parametrize("dress", DRESSES)
@given(value=secrets, before=around, after=around)
@example(value='pa"ss/w+rd é%', before="", after="")
@example(value="🗝🗝🗝🗝", before="", after="")
@example(value=r"back\slash", before="", after="")
def test_no_dress_hides_a_secret(dress: str, value: str, before: str, after: str) -> None:
    worn = DRESSES[dress](value)
    shown = masker(value).text(before + worn + after)

    assert MASK in shown
    assert worn not in shown


@given(value=secrets, before=st.binary(max_size=5), after=st.binary(max_size=5))
def test_base64_of_something_longer_shows_nothing_of_it(value: str, before: bytes, after: bytes) -> None:
    data = value.encode()
    encoded = base64.b64encode(before + data + after).decode()
    own = encoded[(len(before) * 8 + 5) // 6 : (len(before) + len(data)) * 8 // 6]
    if len(own) >= 8:
        assert own not in masker(value).text(encoded)


@given(json_like)
def test_what_holds_no_secret_stays_as_it_is(value: object) -> None:
    assert masker("never-in-there-123").json(value) == value
    assert Masker().json(value) is value


def test_keys_numbers_and_depth() -> None:
    hidden = masker("s3cr3t-value", "123456")
    assert hidden.json({"s3cr3t-value": [123456, 1234567, True, None, 0.5]}) == {
        MASK: [MASK, MASK, True, None, 0.5]
    }
    deep: object = "s3cr3t-value"
    for _ in range(250):
        deep = [deep]
    assert "s3cr3t" not in json.dumps(hidden.json(deep))


def test_the_longest_goes_first() -> None:
    assert masker("abcd", "abcdefgh").text("abcdefgh abcd") == f"{MASK} {MASK}"


@pytest.mark.parametrize("value", ["\\" * 30 + "x", '"' * 40, "a" * 4, "+/" * 30, "   x" * 20])
def test_masking_is_quick_on_hostile_texts(value: str) -> None:
    text = (value[:-1] + "?") * 300 + "\\" * 20_000
    hidden = masker(value)
    hidden.text(text)


def test_short_values_are_left_alone() -> None:
    assert masker("abc", "   ").text("abc abc   abc") == "abc abc   abc"


class Sink:
    def __init__(self) -> None:
        self.texts: list[str] = []

    async def token(self, step_id: str, node_id: str, iteration: tuple[int, ...], text: str) -> None:
        self.texts.append(text)


@given(value=secrets, cuts=st.lists(st.integers(0, 80), max_size=10))
async def test_a_secret_cut_into_tokens_is_not_seen(value: str, cuts: list[int]) -> None:
    sink, text = Sink(), f"before {value} after"
    events = MaskedEvents(sink, masker(value))
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    for start, end in pairwise(places):
        await events.token("step", "node", (), text[start:end])

    assert value not in "".join(sink.texts)


async def test_without_secrets_tokens_are_not_held_back() -> None:
    sink = Sink()
    await MaskedEvents(sink, Masker()).token("step", "node", (), "text")
    assert sink.texts == ["text"]
