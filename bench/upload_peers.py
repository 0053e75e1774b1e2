"""The way that most write first to bring an archive of files into a bucket: a temporary file, then an upload.

python -m bench.upload_peers ENDPOINT DIRECTORY KEY
"""

import sys
import tempfile
import zipfile
from pathlib import Path

from bench.inputs import files_below
from bench.object_peers import BUCKET, client_of


def main() -> None:
    """Do what the command line names."""
    endpoint, directory, key = sys.argv[1:]
    client = client_of(endpoint)
    with tempfile.NamedTemporaryFile(suffix=".zip", dir=".") as file:
        with zipfile.ZipFile(file, "w") as archive:
            for path in files_below(Path(directory)):
                archive.write(path, path.name)
        file.flush()
        client.upload_file(file.name, BUCKET, key)


if __name__ == "__main__":
    main()
