"""Where an entry's bytes come from.

`source.py` has the protocol; `registry.py` finds the source that a plan names; the other modules are one kind of
source each.
"""
