"""The error of a command line that makes no sense."""


class UsageError(Exception):
    """The command cannot be done as it was given; the text is one line for the user."""
