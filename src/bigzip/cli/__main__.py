"""`python -m bigzip.cli`: the `bigzip` command."""

from bigzip.cli import main

if __name__ == "__main__":
    main()
