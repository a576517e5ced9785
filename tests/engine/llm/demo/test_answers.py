from engine.llm.demo.answers import chat_answer, summary


def test_an_answer_refers_to_the_prompt_and_says_what_it_is() -> None:
    answer = chat_answer("Write a reply to this lead: We need 50 seats by Friday. Our budget is 20k.")
    assert answer.startswith("Demo model")
    assert "“Write a reply to this lead”" in answer
    assert "- We need 50 seats by Friday." in answer
    assert "budget" in answer


def test_a_bare_question_is_answered_too() -> None:
    answer = chat_answer("What is the capital of France?")
    assert "“What is the capital of France?”" in answer
    assert "capital" in answer


def test_nothing_is_asked_nothing_is_made_up() -> None:
    assert "nothing" in chat_answer(" \n ")


def test_a_long_prompt_has_a_short_answer() -> None:
    assert len(chat_answer("Summarize: " + "The ship sails on and on. " * 5000 + "x" * 5000)) < 1000


def test_a_summary_is_made_of_the_texts_own_sentences() -> None:
    text = "The engine stalls. It rained. The engine stalls when cold. Nobody came. The cold engine is old."
    short = summary(text, 2)
    assert len(short) < len(text)
    assert "engine" in short
    assert "Nobody" not in short
    assert summary("") == ""
