"""What the demo model says in words."""

from engine.llm.demo.text import key_sentences, key_words, sentences, shortened

MARK = "Demo model"
LONGEST_QUOTE = 160
LONGEST_REQUEST = 80


def chat_answer(prompt: str) -> str:
    """A short answer made of the prompt's own sentences, which says that no real model was asked."""
    request, material = _split(prompt)
    if not request:
        return f"{MARK}: there was nothing in the prompt to answer."
    lines = [
        f"{MARK}: this answer is put together from your own text, because no model provider is in use.",
        f"You asked: “{shortened(request, LONGEST_REQUEST)}”",
    ]
    topics = key_words(material or request, 5)
    if topics:
        lines.append(f"It is about: {', '.join(topics)}.")
    points = key_sentences(material, 3)
    if points:
        lines.append("What stands out:")
        lines.extend(f"- {shortened(point, LONGEST_QUOTE)}" for point in points)
    return "\n".join(lines)


def _split(prompt: str) -> tuple[str, str]:
    """What is asked for, and the text it is about: behind the first colon, or after the first sentence."""
    parts = sentences(prompt)
    if not parts:
        return "", ""
    request, colon, material = parts[0].partition(": ")
    if not colon:
        request, material = parts[0].removesuffix(":"), ""
    return request.strip(), "\n".join(part for part in (material.strip(), *parts[1:]) if part)


def summary(text: str, count: int = 3) -> str:
    """The sentences that say most, in the text's own words."""
    chosen = key_sentences(text, count)
    return " ".join(shortened(sentence, LONGEST_QUOTE * 2) for sentence in chosen)
