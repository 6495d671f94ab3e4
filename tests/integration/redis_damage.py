"""What may be wrong with values of the Redis contract, by kind of value: for the publisher and the read API alike."""

import numpy as np
import orjson

from serving_api import contract

ANOTHER_LIST = contract.pack_list(np.array([3, 1], np.int32), np.array([2, 1], np.float32))
"""A list that can be read."""
LISTS = {
    "empty": b"",
    "of another version": b"\x02" + ANOTHER_LIST[1:],
    "of another layout": b"\x01\x09" + ANOTHER_LIST[2:],
    "cut": ANOTHER_LIST[:-3],
    "longer": ANOTHER_LIST + b"\x00",
    "with a wrong count": ANOTHER_LIST[:2] + b"\xff\xff" + ANOTHER_LIST[4:],
    "with a score that is NaN": ANOTHER_LIST[:-4] + np.float32("nan").tobytes(),
    "with a score without end": ANOTHER_LIST[:-4] + np.float32("inf").tobytes(),
    "with a score without end below": ANOTHER_LIST[:-4] + np.float32("-inf").tobytes(),
    "with a negative key": ANOTHER_LIST[:4] + np.int32(-5).tobytes() + ANOTHER_LIST[8:],
    "with a key without a record": ANOTHER_LIST[:4] + np.int32(999_999).tobytes() + ANOTHER_LIST[8:],
    "a text": b"not a list",
}
RECORDS = {
    "empty": b"",
    "not JSON": b"{damaged",
    "not UTF-8": b'["\xff\xfe",null,null,null,null]',
    "an object": b'{"track_id":"t"}',
    "an empty array": b"[]",
    "too short": b'["t"]',
    "too long": orjson.dumps(["t"] * 60),
    "a number": b"17",
    "a text": b'"abcde"',
    "nested without end": b"[" * 100_000,
    "with a number in it": b'["t",5,null,null,null]',
    "without an id": b"[null,null,null,null,null]",
}
DETAILS = {
    "empty": b"",
    "not JSON": b"[",
    "not UTF-8": b'["\xff",null,null,[],null,null]',
    "an object": b'{"track_id":"t"}',
    "an empty array": b"[]",
    "too short": b"[null,null,null,[]]",
    "a number": b"17",
    "nested without end": b"[" * 100_000,
    "with tags that are text": b'[null,null,null,"rock",null,null]',
    "with a length that is text": b'[null,"1",null,[],null,null]',
    "with a number for the album": b"[5,null,null,[],null,null]",
    "NaN": b"[null,NaN,null,[],null,null]",
}
FIELDS = {"empty": b"", "short": b"\x00\x01", "long": b"\x00" * 9, "of no record": b"\x00\xff\xff\xff"}
USER_COUNTRIES = {"not UTF-8": b"\xff", "without a list": b"Atlantis", "empty": b""}
POINTERS = {
    "empty": b"",
    "not UTF-8": b"\xff\xfe\x00",
    "a pattern": b"*",
    "with a zero byte": b"2026-11-22-00000000\x00",
    "long": b"x" * 100_000,
    "with a line break": b"2026-11-22-00000000\n",
    "with a line break of two characters": b"2026-11-22-00000000\r\n",
}
