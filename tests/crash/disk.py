"""A disk that is small enough to be filled."""

import shutil
import subprocess
import time
from pathlib import Path


class SmallDisk:
    """A tmpfs; only root may mount one.

    Raises:
        OSError: when this is not root, or mounting is not allowed.
    """

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        options = ["-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", str(folder)]
        try:
            subprocess.run(["mount", *options], check=True, capture_output=True)
        except subprocess.CalledProcessError as error:
            raise PermissionError(error.stderr.decode().strip()) from None

    def free_megabytes(self) -> float:
        """What is left."""
        return shutil.disk_usage(self.folder).free / 2**20

    def close(self) -> None:
        """Takes it away, as soon as nobody uses it."""
        deadline = time.monotonic() + 10
        while subprocess.run(["umount", str(self.folder)], capture_output=True).returncode:
            if time.monotonic() > deadline:
                subprocess.run(["umount", "--lazy", str(self.folder)], check=True)
                return
            time.sleep(0.05)
