"""What an archive will be: entries, the forms they take, where every byte is. Pure: no clock, no I/O.

`table` holds what was asked for, `encoding` what was learned, `records` and `layout` turn both into positions and
records, `frozen` is the plan, `serial` its JSON.
"""
