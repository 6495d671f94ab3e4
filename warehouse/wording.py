"""How things and their numbers are written in what people read."""


def counted(number: int, noun: str, verbs: tuple[str, str] = ("", "")) -> str:
    """The number with the noun in its number, and the verb: 1 file, 2,000 files; 1 block was, 2 blocks were."""
    one, many = verbs
    return f"1 {noun} {one}".rstrip() if number == 1 else f"{number:,} {noun}s {many}".rstrip()


def shortened(text: str, characters: int = 400) -> str:
    """The beginning of a text, for messages that must stay readable whatever is in a file."""
    return text if len(text) <= characters else f"{text[: characters - 1]}…"


def about(thing: str, told: str) -> str:
    """What is told of a thing, with its name in front where it does not say it itself."""
    return told if thing in told else f"{thing}: {told}"
