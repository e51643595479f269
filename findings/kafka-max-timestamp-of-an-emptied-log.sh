#!/usr/bin/env bash
# Asked where the record with the highest timestamp is, Kafka names a record that DeleteRecords has taken away, below the log's
# start: whoever reads from there is out of range. Of a log that never held a record it says that there is none.
. "$(dirname "$0")/lib.sh"
expect "Apache Kafka $kafka_version, ListOffsets of the record with the highest timestamp (-3)" \
  "of a log that holds no record any more there is none: offset -1"
start_kafka
topic t
topic never
cat >"$work/Finding.java" <<'JAVA'
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

class Finding {
  static Admin admin;
  public static void main(String[] args) throws Exception {
    var string = StringSerializer.class.getName();
    admin = Admin.create(Map.of("bootstrap.servers", args[0]));
    try (var producer = new KafkaProducer<String, String>(Map.of("bootstrap.servers", args[0], "key.serializer", string, "value.serializer", string))) {
      for (int i = 0; i < 3; i++) producer.send(new ProducerRecord<>("t", "v")).get();
    }
    tell("never");
    tell("t");
    admin.deleteRecords(Map.of(new TopicPartition("t", 0), RecordsToDelete.beforeOffset(3))).all().get();
    tell("t");
    admin.close();
  }
  static void tell(String topic) throws Exception {
    var p = new TopicPartition(topic, 0);
    String s = topic + ":";
    for (OffsetSpec spec : List.of(OffsetSpec.earliest(), OffsetSpec.latest(), OffsetSpec.maxTimestamp())) {
      var r = admin.listOffsets(Map.of(p, spec)).partitionResult(p).get();
      s += " " + spec.getClass().getSimpleName() + " " + r.offset();
    }
    System.out.println(s);
  }
}
JAVA
verdict "$(run_java "$work/Finding.java" "$kafka" 2>&1)" '^never: EarliestSpec 0 LatestSpec 0 MaxTimestampSpec -1$' \
  '^t: EarliestSpec 3 LatestSpec 3 MaxTimestampSpec [012]$'
