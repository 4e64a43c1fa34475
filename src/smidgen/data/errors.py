"""What the door says when data are not what they must be."""


class DataError(ValueError):
    """Data that cannot be used, in one line: what, where, what was expected."""


class DataWarning(UserWarning):
    """Something about the data, in one line, that its reader should know."""
