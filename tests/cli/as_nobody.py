"""Runs the command as nobody, where it is run by root: as_nobody.py ARGUMENT...

Python itself may lie where only root may look, so the directories that it imports from are opened while that is so.
"""

import encodings
import os
import sys

NOBODY = 65534


def become_nobody() -> None:
    opened = [os.open(path, os.O_PATH | os.O_DIRECTORY) for path in sys.path if os.path.isdir(path)]
    sys.path[:] = [f"/proc/self/fd/{descriptor}" for descriptor in opened]
    encodings.__path__ = [f"{path}/encodings" for path in sys.path]
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


if __name__ == "__main__":
    if os.geteuid() == 0:
        become_nobody()
    from bigzip.cli import main

    main()
