"""A database that follows the log, each record once, whatever is killed."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys
import time
from typing import Dict

import pytest
import sqlalchemy as sa

from broker import Broker
from lockstep import Cond, ConditionalProducer, Lock, Record
from lockstep import sqlview

meta = sa.MetaData()
account = sa.Table("account", meta, sa.Column("id", sa.String(20), primary_key=True), sa.Column("balance", sa.Integer))
applied = sa.Table("applied", meta, sa.Column("n", sa.Integer, primary_key=True), sa.Column("log_offset", sa.BigInteger))


def database(folder: pathlib.Path) -> sa.Engine:
    engine = sa.create_engine(f"sqlite:///{folder}/view.db", connect_args={"timeout": 30})
    with engine.connect() as db:
        db.exec_driver_sql("PRAGMA journal_mode=WAL")
    meta.create_all(engine)
    return engine


def apply(db: sa.Connection, r: Record) -> None:
    assert isinstance(r.key, bytes) and isinstance(r.value, bytes)
    key, value = r.key.decode(), int(r.value)
    db.execute(applied.insert().values(log_offset=r.offset))
    if db.execute(account.update().where(account.c.id == key).values(balance=value)).rowcount == 0:
        db.execute(account.insert().values(id=key, balance=value))


def balances(db: sa.Connection) -> Dict[str, int]:
    return {row.id: row.balance for row in db.execute(sa.select(account))}


def move(tx: sqlview.SqlTx, source: str, target: str, amount: int) -> None:
    b = balances(tx.db)
    tx.lock(Lock.write(source), Lock.write(target))
    tx.append(Record(str(b.get(source, 100) - amount), source), Record(str(b.get(target, 100) + amount), target))


def test_updates_are_decided_on_the_tables(producer: ConditionalProducer, topic: str, tmp_path: pathlib.Path) -> None:
    engine = database(tmp_path)
    with sqlview.View(producer, engine, topic, 0, apply) as bank:
        for _ in range(5):
            bank.update(lambda tx: move(tx, "alice", "bob", 3), 30)
        assert bank.read(lambda db, basis: (balances(db), basis), 30) == ({"alice": 85, "bob": 115}, 9)
    with sqlview.View(producer, engine, topic, 0, apply) as bank:  # goes on from its row
        assert bank.read(lambda db, _: db.execute(sa.select(sa.func.count()).select_from(applied)).scalar(), 30) == 10


def test_two_views_share_a_database_and_apply_each_record_once(broker: Broker, topic: str, tmp_path: pathlib.Path) -> None:
    with ConditionalProducer(broker.config) as p, ConditionalProducer(broker.config) as q:
        with sqlview.View(p, database(tmp_path), topic, 0, apply) as a, sqlview.View(q, database(tmp_path), topic, 0, apply) as b:
            for view in (a, b) * 5:
                view.update(lambda tx: move(tx, "alice", "bob", 1), 60)
            rows = b.read(lambda db, _: [r.log_offset for r in db.execute(sa.select(applied).order_by(applied.c.n))], 30)
    assert rows == list(range(20))


def test_poison_stops_or_is_kept(producer: ConditionalProducer, topic: str, tmp_path: pathlib.Path) -> None:
    producer.append(topic, 0, Cond([Lock.append("a")]), Record("1", "alice"), Record("rubbish", "bob"), Record("2", "carol"))
    engine = database(tmp_path)
    with sqlview.View(producer, engine, topic, 0, apply) as bank, pytest.raises(sqlview.PoisonError, match="offset 1"):
        bank.read(lambda db, _: None, 30)
    with sqlview.View(producer, engine, topic, 0, apply, poison=sqlview.quarantine()) as bank:
        assert bank.read(lambda db, _: balances(db), 30) == {"alice": 1, "carol": 2}
        kept = bank.read(lambda db, _: db.exec_driver_sql("SELECT log_offset, record_value FROM lockstep_poison").all(), 30)
    assert [tuple(k) for k in kept] == [(1, b"rubbish")]


def test_another_topic_of_the_name_is_refused(broker: Broker, producer: ConditionalProducer, tmp_path: pathlib.Path) -> None:
    broker.topic("again", "conflict.policy=required")
    engine = database(tmp_path)
    sqlview.View(producer, engine, "again", 0, apply).close()
    broker.run("topic", "delete", "again")
    broker.topic("again", "conflict.policy=required")
    with ConditionalProducer(broker.config) as p, pytest.raises(sqlview.OtherTopic):
        sqlview.View(p, engine, "again", 0, apply)


_KEEPER = """
import sys, pathlib
sys.path[:0] = {path!r}
from test_sqlview import apply, database
from lockstep import ConditionalProducer, sqlview
producer = ConditionalProducer({config!r})
view = sqlview.View(producer, database(pathlib.Path({folder!r})), {topic!r}, 0, apply, batch_records=3)
view.read(lambda db, basis: None)
print("there", flush=True)
"""


def test_a_keeper_that_is_killed_again_and_again_applies_each_record_once(
    broker: Broker, producer: ConditionalProducer, topic: str, tmp_path: pathlib.Path
) -> None:
    for i in range(100):
        producer.append_async(topic, 0, Cond([Lock.append("a")]), *(Record(str(i), f"k{j}") for j in range(4)))
    producer.append(topic, 0, Cond([Lock.append("a")]), Record("0", "end"))
    engine = database(tmp_path)
    code = _KEEPER.format(path=[os.path.dirname(__file__)] + sys.path, config=broker.config, folder=str(tmp_path), topic=topic)
    for delay in (0.7, 0.9, 1.1, 60):
        keeper = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        try:
            keeper.wait(delay)
        except subprocess.TimeoutExpired:
            keeper.send_signal(signal.SIGKILL)
            keeper.wait()
        time.sleep(0.05)
    with engine.connect() as db:
        offsets = [r.log_offset for r in db.execute(sa.select(applied).order_by(applied.c.n))]
    assert offsets == list(range(401))
