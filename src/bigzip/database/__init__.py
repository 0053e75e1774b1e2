"""What services that work together share: an SQL database of archives and tokens.

SQLite for one machine, PostgreSQL beyond it. Rows are plain values here: what a plan or a permission means is known
above. Every call may block, so none is made in an event loop.
"""
