"""Views against a real broker: a bank that many threads and processes write."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from typing import Dict, List

import pytest

from broker import Broker
from lockstep import NONE, Cond, ConditionalProducer, Lock, LockstepError, LogCut, Record, Tx, View

Bank = Dict[str, int]


def apply(state: Bank, r: Record) -> Bank:
    assert isinstance(r.key, bytes) and isinstance(r.value, bytes)
    state[r.key.decode()] = int(r.value)
    return state


def move(tx: Tx, bank: Bank, source: str, target: str, amount: int) -> None:
    if bank.get(source, 100) < amount:
        return
    tx.lock(Lock.write(source), Lock.write(target))
    tx.append(Record(str(bank.get(source, 100) - amount), source), Record(str(bank.get(target, 100) + amount), target))


def bank_of(p: ConditionalProducer, topic: str) -> View[Bank]:
    return View(p, topic, 0, {}, apply)


def test_update_decides_on_the_state_and_reads_its_own_writes(producer: ConditionalProducer, topic: str) -> None:
    with bank_of(producer, topic) as bank:
        result = bank.update(lambda tx, s: move(tx, s, "alice", "bob", 10), 30)
        assert result is not None and list(result.offsets) == [0, 1]
        assert bank.read(lambda s, basis: (dict(s), basis)) == ({"alice": 90, "bob": 110}, 1)
        assert bank.update(lambda tx, s: move(tx, s, "alice", "bob", 91), 30) is None
        assert bank.counts().commits == 1


def test_a_view_goes_on_from_a_snapshot(producer: ConditionalProducer, topic: str) -> None:
    with bank_of(producer, topic) as bank:
        bank.update(lambda tx, s: move(tx, s, "alice", "bob", 10), 30)
        state, basis = bank.read(lambda s, basis: (dict(s), basis))
        bank.update(lambda tx, s: move(tx, s, "alice", "bob", 10), 30)
    seen: List[int] = []

    def count(s: Bank, r: Record) -> Bank:
        seen.append(r.offset)
        return apply(s, r)

    with View(producer, topic, 0, state, count, basis=basis) as bank:
        assert bank.read(lambda s, _: s["alice"]) == 80
    assert seen == [2, 3]


def test_somebody_faster_makes_it_decide_again(broker: Broker, producer: ConditionalProducer, topic: str) -> None:
    with ConditionalProducer(broker.config) as other, bank_of(producer, topic) as bank:
        tries: List[int] = []

        def decide(tx: Tx, s: Bank) -> None:
            tries.append(s.get("alice", 100))
            if len(tries) == 1:
                other.append(topic, 0, Cond([Lock.write("alice")]), Record("50", "alice"))
            move(tx, s, "alice", "bob", 10)

        bank.update(decide, 30)
        assert tries == [100, 50]
        assert bank.read(lambda s, _: s) == {"alice": 40, "bob": 110}
        assert bank.counts().refusals == 1


def test_threads_and_views_together_lose_no_money(broker: Broker, topic: str) -> None:
    """Three views of four threads each; hot accounts. The balances add up."""
    accounts = [f"a{i}" for i in range(3)]
    producers = [ConditionalProducer(broker.config) for _ in range(3)]
    banks = [bank_of(p, topic) for p in producers]
    errors: List[BaseException] = []

    def work(bank: View[Bank]) -> None:
        try:
            for _ in range(15):
                source, target = random.sample(accounts, 2)
                bank.update(lambda tx, s: move(tx, s, source, target, 1), 60)
        except BaseException as e:  # noqa: BLE001
            errors.append(e)

    threads = [threading.Thread(target=work, args=(b,)) for b in banks for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert errors == []
    states = [b.read(lambda s, _: dict(s)) for b in banks]
    assert sum(states[0].get(a, 100) for a in accounts) == 300
    assert sum(b.counts().commits for b in banks) == 3 * 4 * 15
    for b in banks:
        b.close()
    for p in producers:
        p.close()


def test_views_of_one_hot_lock_take_turns(broker: Broker, topic: str) -> None:
    """Four views write one lock as fast as they can. Few of their appends are in vain; without turns most are."""
    producers = [ConditionalProducer(broker.config) for _ in range(4)]
    counters = [View(p, topic, 0, 0, lambda n, _: n + 1) for p in producers]

    def count(tx: Tx, n: int) -> None:
        tx.lock(Lock.write("hot"))
        tx.append(str(n))

    def work(v: View[int]) -> None:
        for _ in range(100):
            v.update(count, 60)

    threads = [threading.Thread(target=work, args=(v,)) for v in counters]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    until = time.monotonic() + 30  # what others have written is read soon, and not at once
    while [v.read(lambda n, _: n) for v in counters] != [400] * 4:
        assert time.monotonic() < until
        time.sleep(0.01)
    refusals = sum(v.counts().refusals for v in counters)
    assert refusals < 100
    for v, p in zip(counters, producers):
        v.close()
        p.close()


def test_a_cut_log_is_no_state(broker: Broker, producer: ConditionalProducer) -> None:
    topic = broker.topic("cut")
    for i in range(3):
        producer.append(topic, 0, Cond([Lock.append("a")]), Record(str(i), "alice"))
    _delete_records(broker, topic, 2)
    with bank_of(producer, topic) as bank, pytest.raises(LogCut):
        bank.read(lambda s, _: s, 30)
    with View(producer, topic, 0, dict[str, int](), apply, basis=0) as bank, pytest.raises(LogCut):
        bank.update(lambda tx, s: move(tx, s, "alice", "bob", 1), 30)
    with View(producer, topic, 0, dict[str, int](), apply, allow_cut=True) as bank:
        assert bank.read(lambda s, basis: (dict(s), basis), 30) == ({"alice": 2}, 2)


def _delete_records(broker: Broker, topic: str, offset: int) -> None:
    import confluent_kafka as ck
    from confluent_kafka.admin import AdminClient

    admin = AdminClient(dict(broker.config))
    for done in admin.delete_records([ck.TopicPartition(topic, 0, offset)]).values():
        done.result(30)


def test_a_record_that_cannot_be_applied_ends_the_view_or_is_skipped(producer: ConditionalProducer, topic: str) -> None:
    producer.append(topic, 0, Cond([Lock.append("a")]), Record("rubbish", "alice"), Record("7", "bob"))
    with bank_of(producer, topic) as bank, pytest.raises(LockstepError, match="offset 0"):
        bank.read(lambda s, _: s, 30)
    skipped: List[int] = []
    with View(producer, topic, 0, dict[str, int](), apply, on_poison=lambda r, _: skipped.append(r.offset)) as bank:
        assert bank.read(lambda s, _: dict(s), 30) == {"bob": 7}
    assert skipped == [0]


_TELLER = """
import sys
sys.path[:0] = {path!r}
from test_view import apply, move
from lockstep import ConditionalProducer, View
import random
producer = ConditionalProducer({config!r})
bank = View(producer, {topic!r}, 0, {{}}, apply)
print("ready", flush=True)
while True:
    source, target = random.sample(["a0", "a1", "a2"], 2)
    bank.update(lambda tx, s: move(tx, s, source, target, 1))
"""


def test_killed_clients_and_a_killed_broker_lose_no_money(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Two processes transfer; one is killed, the broker is killed and comes back. What is left adds up."""
    broker = Broker(tmp_path_factory.mktemp("bank"))
    topic = broker.topic("bank", "conflict.policy=required")
    code = _TELLER.format(path=[os.path.dirname(__file__)] + sys.path, config=broker.config, topic=topic)
    tellers = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for t in tellers:
            assert t.stdout is not None and t.stdout.readline() == b"ready\n"
        time.sleep(1)
        tellers[0].send_signal(signal.SIGKILL)
        broker.kill()
        broker.start()
        with ConditionalProducer(broker.config) as p, bank_of(p, topic) as bank:
            before = bank.read(lambda _, basis: basis, 60)
            deadline = time.monotonic() + 30
            while bank.read(lambda _, basis: basis, 60) <= before:
                assert tellers[1].poll() is None and time.monotonic() < deadline, "the other teller does not go on"
                time.sleep(0.1)
            tellers[1].send_signal(signal.SIGKILL)
            tellers[1].wait()
            state = bank.read(lambda s, _: dict(s), 60)
            assert sum(state.get(f"a{i}", 100) for i in range(3)) == 300
            assert bank.read(lambda _, basis: basis) > NONE
    finally:
        for t in tellers:
            t.kill()
            t.wait()
        broker.kill()
