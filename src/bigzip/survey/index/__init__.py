"""What surveys learned of data, kept in an SQLite file, so that a file is read for its CRC-32 once in its life.

The index is disposable: whatever is wrong with its file, a survey goes on without it, and at most reads data again.
What it tells is either what was once remembered or nothing: each fact carries a check of its own.

`facts` encodes a fact as a row and is pure; `file` makes, knows and replaces the file; `connection` opens it, one
connection a lane; `generations` has the SQL: look-ups, growth, eviction; `index` is the whole.
"""

from bigzip.survey.index.file import default_path
from bigzip.survey.index.index import IndexStats, SurveyIndex

__all__ = ["IndexStats", "SurveyIndex", "default_path"]
