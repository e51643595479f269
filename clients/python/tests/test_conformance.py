"""The scenarios that the client libraries of all languages must come through alike: test/conformance/scenarios.json."""

from __future__ import annotations

import json
import os
import pathlib
import random
import subprocess
import sys
import threading
import time
from typing import Any, Callable, Dict, List, Optional, Union

import confluent_kafka as ck
import pytest
from confluent_kafka.admin import AdminClient

from broker import Broker
from lockstep import (
    NONE,
    Cond,
    ConditionalProducer,
    Conflict,
    Duplicate,
    Interrupted,
    Lock,
    LockstepError,
    LogCut,
    Record,
    Refusal,
    Result,
    Tx,
    UnknownResult,
    View,
    attach,
    parse,
)
from lockstep._log import Reader

TOPIC = "conformance"
SCENARIOS = json.loads((pathlib.Path(__file__).parents[3] / "test" / "conformance" / "scenarios.json").read_text())
Outcome = Optional[Dict[str, Any]]
Bank = Dict[str, int]


def lock_of(text: str) -> Lock:
    kind, _, name = text.partition(" ")
    basis: Optional[int] = None
    head, at, own = text.rpartition("@")
    if at and (own == "none" or own.isdigit()):
        basis, (kind, _, name) = (NONE if own == "none" else int(own)), head.partition(" ")
    lock: Lock = Lock.partition() if kind == "partition" else getattr(Lock, kind)(name)
    return lock if basis is None else lock.at(basis)


def cond_of(q: Dict[str, Any]) -> Cond:
    return Cond([lock_of(t) for t in q.get("locks", [])], q.get("basis", NONE), q.get("id", ""))


def records_of(q: Dict[str, Any]) -> List[Record]:
    return [Record(r) if isinstance(r, str) else Record(r[1], r[0]) for r in q["records"]]


def refusal(e: Refusal) -> Outcome:
    kind = "conflict" if isinstance(e, Conflict) else "duplicate" if isinstance(e, Duplicate) else "malformed"
    return {"error": kind, "lock": e.lock, "last": e.last, "basis": e.basis, "by": e.by, "record": e.record}


def outcome_of(call: Callable[[], Optional[Result]]) -> Outcome:
    try:
        result = call()
        return None if result is None else {"offset": result.offset, "records": result.records}
    except Refusal as e:
        return refusal(e)
    except LogCut:
        return {"error": "cut"}
    except (Interrupted, UnknownResult):
        return {"error": "unknown or unsent"}
    except LockstepError as e:
        return {"error": repr(e)}


def check(step: Dict[str, Any], got: Outcome) -> None:
    if "want" in step:
        want = step["want"]
        assert (want is None) == (got is None), (got, want)
        assert want is None or got is None or {k: got.get(k) for k in want} == want


def apply(state: Bank, r: Record) -> Bank:
    assert isinstance(r.key, bytes) and isinstance(r.value, bytes)
    return {**state, r.key.decode(): int(r.value)}


def move(tx: Tx, bank: Bank, source: str, target: str, amount: int) -> None:
    if bank.get(source, 100) < amount:
        return
    tx.lock(Lock.write(source), Lock.write(target))
    tx.append(Record(str(bank.get(source, 100) - amount), source), Record(str(bank.get(target, 100) + amount), target))


def transfer(view: View[Bank]) -> None:
    source = random.randrange(3)
    view.update(lambda tx, s: move(tx, s, f"a{source}", f"a{(source + 1) % 3}", 1))


class Run:
    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.producer = ConditionalProducer(broker.config, http=broker.http)
        self.options: Dict[str, Any] = {}
        self._view: Optional[View[Bank]] = None

    def close(self) -> None:
        self._close_view()
        self.producer.close()

    def _close_view(self) -> None:
        if self._view is not None:
            self._view.close()
            self._view = None

    @property
    def view(self) -> View[Bank]:
        if self._view is None:
            self._view = View(self.producer, TOPIC, 0, dict[str, int](), apply, **self.options)
        return self._view

    def step(self, s: Dict[str, Any]) -> None:
        kind = next(k for k in s if k not in ("want", "basis", "meanwhile", "count"))
        getattr(self, "do_" + kind.replace(" ", "_"))(s, s[kind])

    def do_headers(self, s: Dict[str, Any], q: Dict[str, Any]) -> None:
        c = cond_of(q)
        assert [f"{k}: {(v or b'').decode()}" for k, v in attach([], c.basis, *c.locks)] == s["want"]

    def do_parse(self, s: Dict[str, Any], text: str) -> None:
        e = parse(text)
        check(s, None if e is None else refusal(e))

    def do_append(self, s: Dict[str, Any], q: Dict[str, Any]) -> None:
        timeout = q.get("timeout_ms", 60_000) / 1000
        check(s, outcome_of(lambda: self.producer.append(TOPIC, 0, cond_of(q), *records_of(q), timeout=timeout)))

    def do_together(self, _: Dict[str, Any], steps: List[Dict[str, Any]]) -> None:
        futures = [self.producer.append_async(TOPIC, 0, cond_of(s["append"]), *records_of(s["append"])) for s in steps]
        for s, f in zip(steps, futures):
            check(s, outcome_of(lambda: f.result(60)))

    def do_move(self, s: Dict[str, Any], what: List[Any]) -> None:
        tries = [0]

        def decide(tx: Tx, bank: Bank) -> None:
            tries[0] += 1
            if tries[0] == 1 and "meanwhile" in s:
                self.producer.append(TOPIC, 0, cond_of(s["meanwhile"]), *records_of(s["meanwhile"]))
            move(tx, bank, *what)

        check(s, outcome_of(lambda: self.view.update(decide, 60)))

    def do_view(self, _: Dict[str, Any], options: Dict[str, Any]) -> None:
        self._close_view()
        self.options = options

    def do_state(self, s: Dict[str, Any], want: Optional[Bank]) -> None:
        if want is None:
            check(s, outcome_of(lambda: self.view.read(lambda *_: None, 60)))
        else:
            state, basis = self.view.read(lambda state, basis: (state, basis), 60)
            assert state == want and basis == s.get("basis", basis)

    def do_kill(self, *_: Any) -> None:
        self.broker.kill()

    def do_start(self, *_: Any) -> None:
        self.broker.start()

    def do_delete_records(self, _: Any, offset: int) -> None:
        admin = AdminClient(dict(self.broker.config))
        for done in admin.delete_records([ck.TopicPartition(TOPIC, 0, offset)]).values():
            done.result(30)

    def _log(self) -> List[str]:
        reader = Reader(self.broker.config, TOPIC, 0)
        try:
            _, end = reader.bounds()
            reader.begin(0)
            found: List[str] = []
            while reader.next < end:
                found += [r.value.decode() for r in reader.read(1) if isinstance(r.value, bytes)]
            return found
        finally:
            reader.close()

    def do_log(self, _: Any, want: List[str]) -> None:
        assert self._log() == want

    def do_side_by_side(self, s: Dict[str, Any], groups: List[List[str]]) -> None:
        log = self._log()
        for group in groups:
            assert f"|{'|'.join(log)}|".count(f"|{'|'.join(group)}|") == 1
        assert len(log) == s["count"]

    def do_transfers(self, _: Any, x: Dict[str, int]) -> None:
        errors: List[BaseException] = []
        view = self.view

        def work() -> None:
            try:
                for _ in range(x["each"]):
                    transfer(view)
            except BaseException as e:  # noqa: BLE001
                errors.append(e)

        threads = [threading.Thread(target=work) for _ in range(x["threads"])]
        for t in threads:
            t.start()
        for _ in range(x["kills"]):
            time.sleep(x["kill_broker_every_ms"] / 1000)
            self.broker.kill()
            self.broker.start()
        for t in threads:
            t.join()
        assert errors == []

    def do_client(self, _: Any, x: Dict[str, int]) -> None:
        env = {**os.environ, "PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *sys.path])}
        client = subprocess.Popen([sys.executable, __file__, self.broker.address], stdout=subprocess.PIPE, env=env)
        assert client.stdout is not None and client.stdout.readline() == b"ready\n"
        time.sleep(x["kill_after_ms"] / 1000)
        client.kill()
        client.wait()

    def do_total(self, _: Any, want: int) -> None:
        self._close_view()  # a new one reads all that there is
        state = self.view.read(lambda s, _: s, 60)
        assert sum(state.get(f"a{i}", 100) for i in range(3)) == want

    def do_audit(self, *_: Union[Any, bool]) -> None:
        self.broker.run("audit", TOPIC)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s["name"])
def test_scenario(scenario: Dict[str, Any], tmp_path: pathlib.Path) -> None:
    broker = Broker(tmp_path)
    settings = scenario.get("settings", {"conflict.policy": "required"})
    broker.topic(TOPIC, *(f"{k}={v}" for k, v in settings.items()))
    run = Run(broker)
    try:
        for step in scenario["steps"]:
            run.step(step)
    finally:
        run.close()
        broker.kill()


if __name__ == "__main__":  # the process that moves money until it is killed
    bank = View(ConditionalProducer({"bootstrap.servers": sys.argv[1]}), TOPIC, 0, dict[str, int](), apply)
    print("ready", flush=True)
    for _ in range(1_000_000):
        transfer(bank)
