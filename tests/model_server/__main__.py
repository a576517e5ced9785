import argparse
import signal

from tests.model_server import BEHAVIOURS, ModelServer


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.model_server",
        description="Speaks like OpenAI and Anthropic. End a model's name with --BEHAVIOUR to see it fail: "
        + ", ".join(BEHAVIOURS),
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9100)
    given = parser.parse_args()
    # Blocked before the server's thread starts, so that the signal comes to sigwait alone.
    signals = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    with ModelServer(host=given.host, port=given.port) as server:
        print(f"OPENAI_BASE_URL={server.openai_url}", flush=True)  # noqa: T201 - its one output
        print(f"ANTHROPIC_BASE_URL={server.anthropic_url}", flush=True)  # noqa: T201 - its one output
        signal.sigwait(signals)


if __name__ == "__main__":
    main()
