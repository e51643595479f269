"""What the tests of the Python clients share: the records of samples.txt and a
line on standard output for each feature."""

import os
import traceback

BROKER = os.environ["BROKER"]


class Skip(Exception):
    """The reason why a client cannot show a feature."""


def check(name, run):
    """Runs one feature and prints its line."""
    try:
        result, note = "ok", run() or ""
    except Skip as reason:
        result, note = "skip", str(reason)
    except Exception as err:
        traceback.print_exc()
        result, note = "FAIL", f"{type(err).__name__}: {err}"
    print(name, result, " ".join(note.split())[:300], sep="\t", flush=True)


def equal(got, want):
    if got != want:
        raise AssertionError(f"read {len(got)} records {str(got)[:300]}, want {len(want)} {str(want)[:300]}")


def _word(text):
    return {"null": None, "empty": b""}[text] if text in ("null", "empty") else bytes.fromhex(text)


def _headers(text):
    if text == "none":
        return []
    pairs = (item.split(":") for item in text.split(","))
    return [(name, _word(value)) for name, value in pairs]


def samples():
    """The records as (key, value, headers); None is null."""
    found = []
    with open(os.environ["SAMPLES"], encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("#"):
                continue
            times, key, value, headers = line.split()
            value = _word(value)
            found.append((_word(key), value and value * int(times), _headers(headers)))
    return found
