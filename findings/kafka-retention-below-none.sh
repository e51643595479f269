#!/usr/bin/env bash
# Apache Kafka refuses a topic's retention.ms=-2 and takes retention.bytes=-2, which it describes as it is and keeps all by. A
# retention.ms of 0 empties a topic, and is refused as the default of all topics, though a retention.bytes of 0 there is taken.
. "$(dirname "$0")/lib.sh"
expect "Apache Kafka $kafka_version, settings of topics and brokers" "-1 is the least of both retentions, and 0 is taken of both or of none"
start_kafka
topic t
cat >"$work/Finding.java" <<'JAVA'
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.config.ConfigResource;

class Finding {
  public static void main(String[] args) throws Exception {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
      var topic = new ConfigResource(ConfigResource.Type.TOPIC, "t");
      var all = new ConfigResource(ConfigResource.Type.BROKER, "");
      set(admin, topic, "retention.ms", "-2");
      set(admin, topic, "retention.bytes", "-2");
      System.out.println("described: " + admin.describeConfigs(List.of(topic)).all().get().get(topic).get("retention.bytes").value());
      set(admin, topic, "retention.ms", "0");
      set(admin, all, "log.retention.ms", "0");
      set(admin, all, "log.retention.bytes", "0");
    }
  }

  static void set(Admin admin, ConfigResource of, String name, String value) throws Exception {
    var op = new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
    try {
      admin.incrementalAlterConfigs(Map.of(of, List.of(op))).all().get();
      System.out.println(name + "=" + value + ": done");
    } catch (java.util.concurrent.ExecutionException e) {
      System.out.println(name + "=" + value + ": " + e.getCause().getMessage());
    }
  }
}
JAVA
verdict "$(run_java "$work/Finding.java" "$kafka" 2>&1)" '^retention.ms=-2: Invalid value -2 .* at least -1$' '^retention.bytes=-2: done$' '^described: -2$' \
  '^retention.ms=0: done$' '^log.retention.ms=0: .*greater than or equal to 1$' '^log.retention.bytes=0: done$'
