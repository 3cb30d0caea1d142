"""``python -m foreseal``: the command line, where its script is not on the path."""

from foreseal.cli import main

if __name__ == "__main__":
    main()
