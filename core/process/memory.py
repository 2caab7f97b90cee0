"""What a process that holds much for long does about its memory.

A full collection of Python's garbage looks at every object. At 1,000 watches that stops a process
for a tenth of a second, and finds next to nothing: what a watch holds goes when its last reference
goes. So full collections are made rare, and what a process makes at its start is left out of all.
"""

import ctypes
import gc

# Young objects are looked at after this many more were made than were freed, the middle generation
# at every tenth look, everything at every thousandth.
YOUNG, MIDDLE, OLD = 5_000, 10, 100


def collect_seldom(old: int = OLD) -> None:
    """Leaves all that the process has now out of every collection, and makes full ones rare.

    Everything is looked at with every `old`th look at the middle generation.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, old)


def give_back() -> None:
    """Gives memory that is free inside of the process back to the system, where the C library can.

    It may take some milliseconds for each 100 MB, during which other threads run.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
