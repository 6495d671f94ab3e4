"""How numbers of things are written in what people read."""


def counted(number: int, noun: str, verbs: tuple[str, str] = ("", "")) -> str:
    """The number with the noun in its number, and the verb: 1 file, 2,000 files; 1 block was, 2 blocks were."""
    one, many = verbs
    return f"1 {noun} {one}".rstrip() if number == 1 else f"{number:,} {noun}s {many}".rstrip()
