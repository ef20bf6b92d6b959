"""What happens where a script calls a verb without a main guard.

A worker process imports the script that started it, as Python's multiprocessing does wherever it
spawns processes. Without `if __name__ == "__main__":` it would call the verb again.
"""

import multiprocessing
import sys

WORKER = "WorldModels worker"  # the name of a worker's process, in that process
UNGUARDED = 113  # exit status of a worker that was about to run a verb


def leave_if_worker() -> None:
    """End this process if it is a worker, silently: the process that started it says why.

    Raises:
        SystemExit: it is a worker.
    """
    if multiprocessing.current_process().name == WORKER:
        raise SystemExit(UNGUARDED)


def unguarded() -> ValueError:
    """What the process that started such a worker says."""
    script = getattr(sys.modules["__main__"], "__file__", None) or "the script"
    return ValueError(
        f'{script}: expected the call that starts workers under `if __name__ == "__main__":`, '
        "received one at the top level, which every worker process would make again when it "
        "imports the script; write that line above the call, and indent the call."
    )
