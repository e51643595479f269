from __future__ import annotations

import itertools
import os
from typing import Iterator

import pytest

from broker import BINARY, Broker
from lockstep import ConditionalProducer

_names = itertools.count()


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    if not os.path.exists(BINARY):
        pytest.fail(f"there is no {BINARY}: make build, or LOCKSTEP_BINARY=path")
    b = Broker(tmp_path_factory.mktemp("broker"))
    yield b
    b.kill()


@pytest.fixture
def topic(broker: Broker) -> str:
    return broker.topic(f"t{next(_names)}", "conflict.policy=required")


@pytest.fixture
def producer(broker: Broker) -> Iterator[ConditionalProducer]:
    with ConditionalProducer(broker.config) as p:
        yield p

