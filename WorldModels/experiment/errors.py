"""Errors as users see them."""


class ForeignError(RuntimeError):
    """A fault of somebody else's code, such as an environment's; the message says whose."""


def one_line(error: BaseException) -> str:
    """An error's message on one line.

    For an operating system error, the file's name and the system's message.
    """
    if isinstance(error, OSError) and error.strerror:
        return (
            f"{error.filename or 'file'}: {error.strerror}; expected a file that can be read and "
            "written; choose another folder with --results FOLDER."
        )
    return flattened(error)


def flattened(error: BaseException) -> str:
    """An error's own text on one line."""
    return " ".join(str(error).split())
