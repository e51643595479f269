"""The producer against a real broker."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import List

import pytest

from broker import Broker
from lockstep._log import Reader
from lockstep import (
    NONE,
    Closed,
    Cond,
    ConditionalProducer,
    Conflict,
    Duplicate,
    Interrupted,
    Lock,
    LockstepError,
    Malformed,
    Record,
    Refusal,
)


def _read(broker: Broker, topic: str) -> List[str]:
    reader = Reader(broker.config, topic, 0)
    try:
        _, end = reader.bounds()
        reader.begin(0)
        found: List[str] = []
        while reader.next < end:
            found += [(r.value or b"").decode() if isinstance(r.value, bytes) else "" for r in reader.read(1)]
        return found
    finally:
        reader.close()


def test_an_append_that_passes_says_where_it_is(producer: ConditionalProducer, topic: str) -> None:
    first = producer.append(topic, 0, Cond([Lock.write("a")]), "one", "two")
    assert list(first.offsets) == [0, 1]
    assert producer.append(topic, 0, Cond([Lock.write("a")], basis=1), "three").offset == 2


def test_a_refusal_names_the_lock_and_who_wrote_it(producer: ConditionalProducer, topic: str) -> None:
    """Without the brokers' HTTP, the log itself is asked."""
    producer.append(topic, 0, Cond([Lock.write("acct:7")], id="req-9"), "one")
    with pytest.raises(Conflict) as caught:
        producer.append(topic, 0, Cond([Lock.read("b"), Lock.write("acct:7")]), "two")
    e = caught.value
    assert (e.lock, e.last, e.basis, e.by, e.topic) == ("acct:7", 0, NONE, "req-9", topic)


def test_with_http_the_words_are_the_brokers(broker: Broker, topic: str) -> None:
    with ConditionalProducer(broker.config, http=broker.http) as p:
        p.append(topic, 0, Cond([Lock.write("a")]), "one")
        with pytest.raises(Conflict) as caught:
            p.append(topic, 0, Cond([Lock.write("a")]), "two")
        assert caught.value.message == broker.conflicts()[-1]["message"]
        with pytest.raises(Malformed, match="at or beyond the high watermark"):
            p.append(topic, 0, Cond([Lock.write("a")], basis=99), "two")


def test_the_whole_partition_is_a_lock(producer: ConditionalProducer, topic: str) -> None:
    producer.append(topic, 0, Cond([Lock.partition()]), "one")
    with pytest.raises(Conflict) as caught:
        producer.append(topic, 0, Cond([Lock.partition()]), "two")
    assert (caught.value.lock, caught.value.last) == ("*", 0)


def test_an_id_makes_an_append_append_once(producer: ConditionalProducer, topic: str) -> None:
    cond = Cond([Lock.write("a")], id="order-1")
    assert producer.append(topic, 0, cond, "one", "two").offset == 0
    assert producer.append(topic, 0, cond, "one", "two").offset == 0
    with pytest.raises(Duplicate) as caught:
        producer.append(topic, 0, Cond(id="order-1"), "other")
    assert (caught.value.id, caught.value.last) == ("order-1", 0)


def test_malformed_requests_are_the_programs_mistake(producer: ConditionalProducer, topic: str) -> None:
    with pytest.raises(Malformed):
        producer.append(topic, 0, Cond([Lock.write("")]), "one")
    with pytest.raises(ValueError):
        producer.append(topic, 0, Cond())


def test_a_topic_that_holds_copies_judges_nothing_and_says_so(broker: Broker, producer: ConditionalProducer) -> None:
    copies = broker.topic("copies", "conflict.policy=carry")
    with pytest.raises(Malformed, match="conflict.policy=carry: locks are not judged here"):
        producer.append(copies, 0, Cond([Lock.write("a")]), "one")


def test_each_append_of_a_batch_has_its_own_verdict(producer: ConditionalProducer, broker: Broker, topic: str) -> None:
    """A hundred at once, of which every tenth is stale: those are refused, the others are in, once, side by side."""
    producer.append(topic, 0, Cond([Lock.write("hot")]), "first")
    futures = []
    for i in range(100):
        lock = Lock.write("hot") if i % 10 == 3 else Lock.write(f"own-{i}")
        futures.append(producer.append_async(topic, 0, Cond([lock]), f"{i}a", f"{i}b"))
    admitted = {}
    for i, f in enumerate(futures):
        if i % 10 == 3:
            with pytest.raises(Conflict) as caught:
                f.result(30)
            assert (caught.value.lock, caught.value.last) == ("hot", 0)
        else:
            admitted[i] = f.result(30).offset
    log = _read(broker, topic)
    assert len(log) == 1 + 2 * 90
    for i, offset in admitted.items():
        assert log[offset : offset + 2] == [f"{i}a", f"{i}b"]


def test_appends_that_depend_on_each_other_do_not_fail_each_other(producer: ConditionalProducer, topic: str) -> None:
    """Two writers of one lock on one producer: one wins, and the other is told its offset."""
    futures = [producer.append_async(topic, 0, Cond([Lock.write("a")]), str(i)) for i in range(20)]
    outcomes = [f.exception(30) for f in futures]
    assert [o for o in outcomes if o is None] == [None]
    winner = futures[outcomes.index(None)].result()
    assert {o.last for o in outcomes if isinstance(o, Conflict)} == {winner.offset}


def test_a_killed_broker_costs_nothing_that_was_acknowledged(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Writers go on while the broker is killed and started again; what was acknowledged is in the log once, at its
    offset, and nothing else."""
    broker = Broker(tmp_path_factory.mktemp("killed"))
    topic = broker.topic("ledger", "conflict.policy=required")
    acked: List[tuple[int, str]] = []
    stop, lock = threading.Event(), threading.Lock()
    with ConditionalProducer(broker.config) as p:

        def write(writer: int) -> None:
            basis, n = NONE, 0
            while not stop.is_set():
                value = f"{writer}-{n}"
                result = p.append(topic, 0, Cond([Lock.write(f"w{writer}")], basis=basis), value, timeout=60)
                basis, n = result.offset, n + 1
                with lock:
                    acked.append((result.offset, value))

        with ThreadPoolExecutor(4) as pool:
            writers = [pool.submit(write, w) for w in range(4)]
            for _ in range(3):
                time.sleep(0.7)
                broker.kill()
                broker.start()
            time.sleep(0.7)
            stop.set()
            for w in writers:
                w.result(60)
    log = _read(broker, topic)
    broker.kill()
    assert len(acked) > 20
    assert sorted(acked) == list(enumerate(log))


def test_time_up_before_it_was_sent_is_told_from_after(tmp_path_factory: pytest.TempPathFactory) -> None:
    broker = Broker(tmp_path_factory.mktemp("down"))
    topic = broker.topic("t", "conflict.policy=required")
    with ConditionalProducer(broker.config) as p:
        p.append(topic, 0, Cond([Lock.write("a")]), "one")
        broker.kill()
        with pytest.raises(LockstepError) as sent:
            p.append(topic, 0, Cond([Lock.write("a")], basis=0, id="x"), "two", timeout=0.5)
        assert type(sent.value).__name__ == "UnknownResult"
        with pytest.raises(Interrupted):
            p.append(topic, 0, Cond([Lock.write("b")]), "three", timeout=0.2)
        broker.start()
        again = p.append(topic, 0, Cond([Lock.write("a")], basis=0, id="x"), Record("two"), timeout=60)
        assert again.offset == 1
    broker.kill()
    with pytest.raises(Closed):
        p.append(topic, 0, Cond([Lock.write("a")]), "late")


def test_whatever_refuses_is_a_refusal() -> None:
    assert issubclass(Conflict, Refusal) and issubclass(Refusal, LockstepError)


def test_the_readme_does_what_it_says(broker: Broker) -> None:
    broker.topic("bank", "conflict.policy=required")
    done = subprocess.run([sys.executable, str(pathlib.Path(__file__).with_name("readme.py")), broker.address],
                          capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.stdout.splitlines() == ["refused: alice was written at offset 0", "transferred at offset 1"], done.stderr
