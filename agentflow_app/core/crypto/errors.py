"""Why sealed data stays closed. None of these tells a caller more than that."""

from agentflow_app.core.errors import AppError, Unavailable


class CannotUnseal(AppError):  # noqa: N818
    """Changed, cut, or sealed for another place: which of these is not told apart."""

    code = "CANNOT_UNSEAL"

    def __init__(self) -> None:
        super().__init__("Sealed data cannot be opened")


class UnknownMasterKey(AppError):  # noqa: N818
    """Sealed under a master key that this process was not given."""

    code = "UNKNOWN_MASTER_KEY"

    def __init__(self) -> None:
        super().__init__("Sealed data needs a master key that this server does not have")


class KeyServiceUnavailable(Unavailable):
    code = "KEY_SERVICE_UNAVAILABLE"

    def __init__(self) -> None:
        super().__init__("The key service does not answer; try again")
