"""One record through a broker over TLS, by confluent-kafka or kafka-python."""
import os
import sys
import time

env = os.environ
topic = f"secure-py-{time.time_ns()}"
mechanism = env["SECURE_MECHANISM"]


def librdkafka():
    from confluent_kafka import Consumer, Producer

    conf = {"bootstrap.servers": env["SECURE_BROKER"], "ssl.ca.location": env["SECURE_CA"]}
    if mechanism:
        conf.update({"security.protocol": "SASL_SSL", "sasl.mechanism": mechanism,
                     "sasl.username": env["SECURE_USER"], "sasl.password": env["SECURE_PASSWORD"]})
    else:
        conf.update({"security.protocol": "SSL", "ssl.certificate.location": env["SECURE_CERT"],
                     "ssl.key.location": env["SECURE_KEY"]})
    p = Producer(conf)
    p.produce(topic, b"v")
    if p.flush(30):
        sys.exit("the record was not delivered")
    c = Consumer({**conf, "group.id": topic, "auto.offset.reset": "earliest"})
    c.subscribe([topic])
    m = c.poll(30)
    c.close()
    return m.value() if m and not m.error() else m and m.error()


def kafka_python():
    from kafka import KafkaConsumer, KafkaProducer

    conf = {"bootstrap_servers": env["SECURE_BROKER"], "ssl_cafile": env["SECURE_CA"]}
    if mechanism:
        conf.update(security_protocol="SASL_SSL", sasl_mechanism=mechanism,
                    sasl_plain_username=env["SECURE_USER"], sasl_plain_password=env["SECURE_PASSWORD"])
    else:
        conf.update(security_protocol="SSL", ssl_certfile=env["SECURE_CERT"], ssl_keyfile=env["SECURE_KEY"])
    p = KafkaProducer(**conf)
    p.send(topic, b"v").get(30)
    p.close()
    c = KafkaConsumer(topic, auto_offset_reset="earliest", consumer_timeout_ms=30000, **conf)
    value = next(iter(c)).value
    c.close()
    return value


got = {"librdkafka": librdkafka, "kafka-python": kafka_python}[sys.argv[1]]()
if got != b"v":
    sys.exit(f"read {got!r}")
