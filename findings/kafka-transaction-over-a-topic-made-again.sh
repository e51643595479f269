#!/usr/bin/env bash
# A topic is deleted and made again under its name while a transaction has written to it. The commit succeeds, the records are
# gone with the old topic, and the commit's marker is in the new topic, which nobody has written to.
. "$(dirname "$0")/lib.sh"
expect "Apache Kafka $kafka_version" "a commit whose records are gone fails, and a topic that nobody wrote to ends at offset 0"
start_kafka
cat >"$work/Finding.java" <<'JAVA'
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

class Finding {
  public static void main(String[] args) throws Exception {
    var string = StringSerializer.class.getName();
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]));
        var producer = new KafkaProducer<String, String>(Map.of("bootstrap.servers", args[0], "transactional.id", "id", "key.serializer", string, "value.serializer", string))) {
      make(admin);
      producer.initTransactions();
      producer.beginTransaction();
      System.out.println("record: offset " + producer.send(new ProducerRecord<>("t", "v")).get().offset());
      admin.deleteTopics(List.of("t")).all().get();
      Thread.sleep(2000);
      make(admin);
      Thread.sleep(2000);
      System.out.println("new topic before the commit: ends at " + end(admin));
      producer.commitTransaction();
      System.out.println("commit: success");
      Thread.sleep(2000);
      System.out.println("new topic after the commit: ends at " + end(admin));
    }
  }

  static void make(Admin admin) throws Exception { admin.createTopics(List.of(new NewTopic("t", 1, (short) 1))).all().get(); }

  static long end(Admin admin) throws Exception {
    var p = new TopicPartition("t", 0);
    return admin.listOffsets(Map.of(p, OffsetSpec.latest())).partitionResult(p).get().offset();
  }
}
JAVA
verdict "$(run_java "$work/Finding.java" "$kafka" 2>&1)" '^new topic before the commit: ends at 0$' '^commit: success$' '^new topic after the commit: ends at 1$'
