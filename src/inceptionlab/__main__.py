"""`python -m inceptionlab`, as torchrun starts it."""

from inceptionlab.cli import main

if __name__ == "__main__":
    main()
