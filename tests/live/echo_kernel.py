"""A kernel of another language: it says back what it is told, and can be told to misbehave."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel


class EchoKernel(Kernel):
    """Says back each cell."""

    implementation = "echo"
    implementation_version = "1"
    language = "echo"
    language_info = {"name": "echo", "mimetype": "text/plain", "file_extension": ".txt"}
    banner = "echo"

    def do_execute(self, code: str, silent: bool, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Say it back."""
        if not silent:
            self.send_response(self.iopub_socket, "stream", {"name": "stdout", "text": code})
        return {"status": "ok", "execution_count": self.execution_count, "user_expressions": {}}


def main() -> None:
    """Be an echo kernel, or what the variable says."""
    match os.environ.get("ECHO_KERNEL", ""):
        case "dies":
            sys.exit("this kernel does not like to live")
        case "mute":
            time.sleep(600)
        case _:
            IPKernelApp.launch_instance(kernel_class=EchoKernel)


if __name__ == "__main__":
    main()
