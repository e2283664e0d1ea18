"""The command line as it starts: `inceptionlab`, and `python -m inceptionlab`, as torchrun starts it."""

import sys


def main() -> None:
    """Run a command; Ctrl-C while its code is being imported is a word too."""
    try:
        from inceptionlab.cli import main as run
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
