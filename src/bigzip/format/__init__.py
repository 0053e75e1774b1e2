"""The records of a ZIP archive as APPNOTE 6.3.10 names them: values to bytes and back, and nothing else.

One module a record, each opening with the record's table. Nothing here knows of entries, plans or sources,
reads a clock, or decides anything: which fields hold which values is decided in `bigzip.plan.layout`.

Records are named tuples, not dataclasses: a million of each are made for one archive, and a named tuple takes a
fifth of the time.
"""
