"""Errors as users see them."""


def one_line(error: BaseException) -> str:
    """An error's message on one line.

    For an error of the operating system, the file's name and the system's words.
    """
    if isinstance(error, OSError) and error.strerror:
        return (
            f"{error.filename or 'file'}: {error.strerror}; expected a file that can be read and "
            "written: --results FOLDER names another."
        )
    return " ".join(str(error).split())
