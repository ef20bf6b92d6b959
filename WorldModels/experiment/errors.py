"""Errors as users see them."""


def one_line(error: BaseException) -> str:
    """An error's message on one line.

    For an operating system error, the file's name and the system's message.
    """
    if isinstance(error, OSError) and error.strerror:
        return (
            f"{error.filename or 'file'}: {error.strerror}; expected a file that can be read and "
            "written; choose another folder with --results FOLDER."
        )
    return " ".join(str(error).split())
