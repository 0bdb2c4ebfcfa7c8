"""Reads who is asked, then checks, a line of JSON each, and prints what each came to. An exception is a result as well."""

import json
import sys
import time


def main(functions, describe):
    """`functions(given)` are the checks by name; `describe(error)` tells what a program can know of the client's exception."""
    found = functions(json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        check = json.loads(line)
        try:
            said = found[check["check"]](**check["with"])
        except Exception as error:  # noqa: BLE001
            said = {
                "error": [kind.__name__ for kind in type(error).__mro__],
                "message": str(error)[:500],
                "at": time.time(),
                **describe(error),
            }
        print(json.dumps(said), flush=True)  # noqa: T201


def joined(pieces):
    """The text of a stream, and its parts' number."""
    pieces = [piece for piece in pieces if piece]
    return {"text": "".join(pieces), "pieces": len(pieces)}


def left(pieces, close):
    """Leave a stream once it has begun."""
    for piece in pieces:
        if piece:
            break
    at = time.time()
    close()
    return {"left_at": at}


def told(name):
    """What a tool answers."""
    return f"{name} says fine"


WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
