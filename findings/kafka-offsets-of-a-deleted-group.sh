#!/usr/bin/env bash
# A group that has nothing but offsets of a transaction under way can be deleted. The commit of the transaction then succeeds, and
# the offsets that it committed are nowhere: the group reads the same records again.
. "$(dirname "$0")/lib.sh"
expect "Apache Kafka $kafka_version" "the group is not deleted while offsets of it are pending, or the commit of what is gone fails"
start_kafka
topic t
cat >"$work/Finding.java" <<'JAVA'
import java.util.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

class Finding {
  @SuppressWarnings("removal") // of a constructor without a successor
  public static void main(String[] args) throws Exception {
    var string = StringSerializer.class.getName();
    var settings = Map.<String, Object>of("bootstrap.servers", args[0], "transactional.id", "id", "key.serializer", string, "value.serializer", string);
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0])); var producer = new KafkaProducer<String, String>(settings)) {
      producer.initTransactions();
      for (String group : List.of("kept", "deleted")) {
        producer.beginTransaction();
        producer.send(new ProducerRecord<>("t", "v")).get();
        producer.sendOffsetsToTransaction(Map.of(new TopicPartition("t", 0), new OffsetAndMetadata(7)), new ConsumerGroupMetadata(group));
        if (group.equals("deleted")) {
          admin.deleteConsumerGroups(List.of(group)).all().get();
          System.out.println("delete: success");
        }
        producer.commitTransaction();
        Thread.sleep(1000);
        String offset;
        try {
          var all = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
          offset = all.isEmpty() ? "none" : "" + all.values().iterator().next().offset();
        } catch (java.util.concurrent.ExecutionException e) {
          offset = e.getCause().getClass().getSimpleName();
        }
        System.out.println(group + ": commit: success, offset: " + offset);
      }
    }
  }
}
JAVA
verdict "$(run_java "$work/Finding.java" "$kafka" 2>&1)" '^kept: commit: success, offset: 7$' '^delete: success$' '^deleted: commit: success, offset: (none|GroupIdNotFoundException)$'
