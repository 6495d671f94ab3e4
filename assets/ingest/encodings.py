"""Text files of any encoding as blocks of UTF-8, with LF where lines end."""

import codecs
from collections.abc import Iterator

from assets.ingest.files import InputFile
from assets.ingest.streams import InputStream

# Of several that begin alike, the longest goes first.
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_LONGEST_MARK = 4
# So many bytes show the pattern of zeros that Latin letters have in UTF-16.
_SAMPLE_BYTES = 1024
_ADVICE_BYTES = 1 << 20
_LIKELY = "cp1252"
# Written as UTF-8, it makes the line it is in invalid, and no other.
_UNDECODABLE = "\udcff"


def utf8_blocks(stream: InputStream, encoding: str | None, block_bytes: int) -> Iterator[bytes]:
    """Yield the stream as UTF-8 without byte order mark, in blocks of about so many bytes, cut anywhere.

    A byte order mark tells the encoding, whatever is given; without one, UTF-16 and UTF-32 are big-endian if
    they begin with a zero; without one and without `encoding` it is UTF-8, or UTF-16
    where every other byte of the beginning is zero. What does not decode comes out as bytes that are not UTF-8. Where
    lines end in CR alone, as the first block shows, they end in LF; so does the last line.
    """
    block = stream.read(max(block_bytes, _LONGEST_MARK))
    mark = next((mark for mark in _BYTE_ORDER_MARKS if block.startswith(mark)), b"")
    name = _BYTE_ORDER_MARKS.get(mark) or encoding or _by_zeros(block) or "utf-8"
    if not mark and codecs.lookup(name).name in ("utf-16", "utf-32"):
        name = f"{name}-{'be' if block.startswith(bytes(1)) else 'le'}"
    decoder = None if codecs.lookup(name).name == "utf-8" else codecs.getincrementaldecoder(name)(_HANDLER)
    block = block[len(mark) :] or stream.read(block_bytes)
    returns_only: bool | None = None
    while block:
        # A byte shows whether there is more, and leaves how much of the stream has been read that of this block.
        following = stream.read(1)
        if decoder:
            block = decoder.decode(block, final=not following).encode("utf-8", "surrogatepass")
        if returns_only is None:
            returns_only = b"\r" in block[:-1] and b"\n" not in block
        if returns_only:
            block = block.replace(b"\r", b"\n")
        if not following and not block.endswith(b"\n"):
            block += b"\n"
        yield block
        block = following and following + stream.read(block_bytes - 1)


def is_encoding(name: str) -> bool:
    """Whether Python can decode text of this encoding."""
    try:
        "".encode(name)
        codecs.getincrementaldecoder(name)(_HANDLER).decode(b"", True)
    except (LookupError, UnicodeError):
        return False
    return True


def encoding_advice(file: InputFile, mapping: str = "the mapping") -> str:
    """Return what to do about a file that is not UTF-8: the encoding that it is likely in, if it decodes in that."""
    with file.open() as stream:
        sample = stream.read(_ADVICE_BYTES)
    try:
        sample.decode(_LIKELY)
    except UnicodeDecodeError:
        return f"name its encoding in {mapping} as `encoding`, or convert the file to UTF-8"
    return f'it may be {_LIKELY}: set encoding = "{_LIKELY}" in {mapping}, or convert the file to UTF-8'


def _by_zeros(block: bytes) -> str | None:
    sample = block[:_SAMPLE_BYTES]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    half = len(sample) // 4
    if odd > half and not even:
        return "utf-16-le"
    return "utf-16-be" if even > half and not odd else None


def _undecodable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return _UNDECODABLE, error.end


_HANDLER = "audotics.undecodable"
codecs.register_error(_HANDLER, _undecodable)
