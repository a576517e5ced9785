from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CodeLimits:
    """What one run of code may take. `seconds` is time spent computing; the process gets little more."""

    seconds: float = 10
    memory_bytes: int = 128 << 20
    output_bytes: int = 8 << 20
    """Of the output as JSON."""
    printed_chars: int = 16_000
    """What is printed beyond is dropped."""
