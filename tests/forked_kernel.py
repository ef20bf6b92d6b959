"""A notebook's kernel that is forked from the server of commands.py, with TensorFlow imported."""

import os
import threading

from commands import run_module
from conftest import PATIENCE
from jupyter_client.manager import AsyncKernelManager

# As a kernel sets it before Matplotlib is imported.
INLINE = "module://matplotlib_inline.backend_inline"


class ForkedKernel(AsyncKernelManager):
    """Starts a fresh kernel for each notebook, like its base class, in a fraction of the time."""

    running: threading.Thread | None = None

    @property
    def has_kernel(self):
        return self.running is not None

    async def start_kernel(self, *, cwd, **how):
        self.write_connection_file()
        self.running = threading.Thread(
            target=run_module,
            args=("ipykernel_launcher", "-f", self.connection_file),
            kwargs={"env": {**os.environ, "MPLBACKEND": INLINE}, "cwd": cwd},
        )
        self.running.start()

    async def is_alive(self):
        return self.running is not None and self.running.is_alive()

    _async_is_alive = is_alive  # what a client asks

    async def shutdown_kernel(self, now=False, restart=False):
        client = self.client()
        client.start_channels()
        client.shutdown()
        self.running.join(PATIENCE)
        client.stop_channels()
        assert not self.running.is_alive(), "the kernel hangs"
