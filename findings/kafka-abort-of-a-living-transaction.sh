#!/usr/bin/env bash
# kafka-transactions abort, given the first offset of a transaction that its producer is still in, ends what is written so far
# and nothing else. The producer hears nothing, writes on and commits with success; of its transaction, readers see the second half.
. "$(dirname "$0")/lib.sh"
expect "Apache Kafka $kafka_version and its tool kafka-transactions" \
  "a transaction is read as a whole or not at all; whoever commits one that was aborted is told"
start_kafka
topic t
cat >"$work/Finding.java" <<'JAVA'
import java.time.Duration;
import java.util.*;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

class Finding {
  public static void main(String[] args) throws Exception {
    var string = StringSerializer.class.getName();
    try (var producer = new KafkaProducer<String, String>(Map.of("bootstrap.servers", args[0], "transactional.id", "id", "key.serializer", string, "value.serializer", string))) {
      producer.initTransactions();
      producer.beginTransaction();
      long first = producer.send(new ProducerRecord<>("t", "first half")).get().offset();
      Process abort = new ProcessBuilder("java", "-cp", System.getProperty("java.class.path"), "org.apache.kafka.tools.TransactionsCommand",
          "--bootstrap-server", args[0], "abort", "--topic", "t", "--partition", "0", "--start-offset", "" + first).redirectErrorStream(true).start();
      String said = new String(abort.getInputStream().readAllBytes()).trim();
      System.out.println("abort: exit " + abort.waitFor() + ", output \"" + said + "\"");
      producer.send(new ProducerRecord<>("t", "second half")).get();
      producer.commitTransaction();
      System.out.println("commit: success");
    }
    var read = StringDeserializer.class.getName();
    try (var consumer = new KafkaConsumer<String, String>(Map.of("bootstrap.servers", args[0], "isolation.level", "read_committed", "auto.offset.reset", "earliest", "key.deserializer", read, "value.deserializer", read))) {
      consumer.assign(List.of(new TopicPartition("t", 0)));
      for (long end = System.currentTimeMillis() + 5000; System.currentTimeMillis() < end; )
        consumer.poll(Duration.ofMillis(200)).forEach(r -> System.out.println("read committed: " + r.value()));
    }
  }
}
JAVA
seen=$(run_java "$work/Finding.java" "$kafka" 2>&1)
if grep -q 'read committed: first half' <<<"$seen"; then
  echo "changed: the first half is read"
  echo "$seen"
  exit 1
fi
verdict "$seen" '^abort: exit 0, output ""$' '^commit: success$' '^read committed: second half$'
