"""The one exception people are meant to read."""


class AudoticsError(Exception):
    """A failure that the person at the terminal can do something about.

    The message is one line (line breaks are folded into spaces) and says what failed, where, and what to do.
    The CLI prints it without a traceback and exits 1.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class InterruptedByUserError(AudoticsError):
    """Somebody pressed Ctrl-C; the CLI exits as it does for any other command that is interrupted."""
