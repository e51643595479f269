"""Locks as headers, and refusals as texts: no broker is asked."""

from __future__ import annotations

from typing import Optional, Type

import pytest

from lockstep import NONE, Conflict, Duplicate, Held, Lock, Malformed, Refusal, attach, parse


def test_attach_writes_a_header_for_each_kind_of_lock_and_the_basis() -> None:
    got = attach([("trace", b"1")], 12, Lock.write("acct:7"), Lock.read("daily limits").at(9), Lock.write("acct:8").at(NONE))
    assert got == [
        ("trace", b"1"),
        ("lock-write", b"acct:7 acct:8@none"),
        ("lock-read", b"daily%20limits@9"),
        ("lock-basis", b"12"),
    ]


def test_a_basis_is_left_out_where_nothing_needs_it() -> None:
    assert attach([], 12, Lock.append("a")) == [("lock-append", b"a")]
    assert attach([], NONE, Lock.partition().at(3)) == [("lock-write", b"*@3")]


@pytest.mark.parametrize("name,header", [
    ("acct:7", "acct:7"), ("*", "%2A"), ("a b", "a%20b"), ("a@b", "a%40b"), ("100%", "100%"), ("%41", "%2541"),
    ("%4", "%4"), ("tab\t", "tab%09"), ("\x7f", "%7F"), ("\x85", "%C2%85"), ("grün", "grün"), ("a*", "a*"),
])
def test_names_are_escaped_where_they_must_be(name: str, header: str) -> None:
    assert str(Lock.write(name)) == header


@pytest.mark.parametrize("text,cls,fields", [
    ('CONFLICT lock=acct:7 last=18 basis=12 by=req-9 record=0: lock "acct:7" was written at offset 18, after your basis 12',
     Conflict, {"lock": "acct:7", "last": 18, "basis": 12, "by": "req-9", "record": 0}),
    ("CONFLICT lock=* last=18 basis=none by=- record=3: the partition has offset 18", Conflict,
     {"lock": "*", "last": 18, "basis": NONE, "by": "", "record": 3}),
    ("CONFLICT lock=a:b=c last=? basis=12 by=a:b record=1: x", Conflict, {"lock": "a:b=c", "last": NONE, "by": "a:b"}),
    ("UNKNOWN lock=acct:7 last=? basis=12 by=- record=0: basis 12 is older", Conflict, {"kind": "UNKNOWN", "last": NONE}),
    ('DUPLICATE id=req-9 last=18 record=0: "req-9" was appended at offset 18 with other content', Duplicate,
     {"id": "req-9", "last": 18}),
    ("HELD lock=acct:7 since=31 by=req-8 record=0: lock is held", Held, {"lock": "acct:7", "last": 31, "by": "req-8"}),
    ("HELD id=req-9 since=31 record=0: stands", Held, {"id": "req-9", "last": 31}),
    ('MALFORMED record=2: header "lock-wirte" is unknown', Malformed, {"record": 2}),
])
def test_parse_reads_what_stands_before_the_colon(text: str, cls: Type[Refusal], fields: dict[str, object]) -> None:
    got = parse(text)
    assert type(got) is cls and got is not None
    assert got.message == text
    assert {name: getattr(got, name) for name in fields} == fields


@pytest.mark.parametrize("text", [
    "", "CONFLICT", "Broker: Policy violation", "CONFLICT lock=a last=1 basis=0 by=- record=0", "conflict lock=a",
    "CONFLICT lock=a last=01 basis=0 by=- record=0: x", "CONFLICT lock=a last=1 basis=0 by= record=0: x",
    "CONFLICT lock=a last=9223372036854775808 basis=0 by=- record=0: x", "UNKNOWN lock=a last=1 basis=0 by=- record=0: x",
    "CONFLICT lock=a b last=1 basis=0 by=- record=0: x", "MALFORMED record=2147483648: x",
])
def test_parse_takes_nothing_else(text: str) -> None:
    got: Optional[Refusal] = parse(text)
    assert got is None
