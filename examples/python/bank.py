"""Transfers between five accounts of one partition: bank.py BROKER TOPIC NAME COUNT."""

import random
import sys
from collections import Counter

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import PolicyViolationError


class Bank:
    def __init__(self, broker, topic):
        self.balances = Counter()  # folded from the log
        self.refused = 0
        self.log = TopicPartition(topic, 0)
        self.consumer = KafkaConsumer(bootstrap_servers=broker, group_id=None)
        self.consumer.assign([self.log])
        if self.consumer.beginning_offsets([self.log])[self.log] > 0:
            sys.exit("the log was cut: balances cannot be folded from what is left")
        self.consumer.seek_to_beginning(self.log)
        # One record under way at a time: a refusal is the whole batch's. To this
        # client's idempotent producer a refusal is fatal; lock-id does its work.
        self.producer = KafkaProducer(bootstrap_servers=broker, acks="all", enable_idempotence=False)

    def catch_up(self):
        """Reads up to the end, and returns the basis: the last offset that was read."""
        end = self.consumer.end_offsets([self.log])[self.log]
        while self.consumer.position(self.log) < end:
            for records in self.consumer.poll(timeout_ms=500).values():
                for record in records:
                    giver, taker, amount = record.value.decode().split()
                    self.balances[giver] -= int(amount)
                    self.balances[taker] += int(amount)
        return str(self.consumer.position(self.log) - 1) if end else "none"

    def append(self, entry, locks, basis, name):
        """Appends an entry unless a lock was written since the basis; False: it was."""
        headers = [("lock-write", locks.encode()), ("lock-basis", basis.encode()), ("lock-id", name.encode())]
        try:
            self.producer.send(self.log.topic, entry.encode(), headers=headers, partition=0).get(30)
        except PolicyViolationError as err:
            if self.refused == 0:
                print("the first refusal:", err, file=sys.stderr)
            self.refused += 1
            return False
        return True


def main(broker, topic, name, count):
    bank = Bank(broker, topic)
    for i in range(5):  # whoever comes first opens the account
        bank.append(f"cash a{i} 100", f"acct:a{i}", "none", f"{name}-open-{i}")
    bank.refused, done = 0, 0
    while done < int(count):
        basis = bank.catch_up()
        giver, taker = random.sample([f"a{i}" for i in range(5)], 2)
        amount = random.randint(1, 30)
        if bank.balances[giver] < amount:
            continue
        done += bank.append(f"{giver} {taker} {amount}", f"acct:{giver} acct:{taker}", basis, f"{name}-{done}")
    bank.catch_up()
    total = sum(bank.balances[f"a{i}"] for i in range(5))
    print(f"{name}: {count} transfers, {bank.refused} refused, total {total}")


main(*sys.argv[1:])
