"""`inceptionlab help`."""

from __future__ import annotations

from inceptionlab.cli.topics import Language, show_guide, show_guides


def help_(topic: str | None = None, *, lang: Language = "en") -> None:
    """Read about a subject, such as training or studies, or the help of a command.

    Parameters
    ----------
    topic
        A guide or a command; without one the guides are listed.
    lang
        "en" or "zh", where a guide is translated.
    """
    from inceptionlab.cli import COMMANDS, main

    if topic is None:
        show_guides(lang)
    elif topic in COMMANDS:
        main([*topic.split(), "--help"])
    else:
        show_guide(topic, lang, list(COMMANDS))
