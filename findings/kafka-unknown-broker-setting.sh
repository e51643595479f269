#!/usr/bin/env bash
# Apache Kafka takes a broker setting whose name is misspelt, for all brokers or one, and says that it is done. Described, it is
# a secret without a value. Of a topic's settings such a name is refused.
. "$(dirname "$0")/lib.sh"
expect "Apache Kafka $kafka_version, IncrementalAlterConfigs of brokers" "log.retention.mss, for log.retention.ms, is refused as a topic's retention.mss is"
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
      alter(admin, new ConfigResource(ConfigResource.Type.TOPIC, "t"), "retention.mss");
      var all = new ConfigResource(ConfigResource.Type.BROKER, "");
      alter(admin, all, "log.retention.mss");
      for (ConfigEntry e : admin.describeConfigs(List.of(all)).all().get().get(all).entries())
        if (e.name().startsWith("log.")) System.out.println(e.name() + " is described: value " + e.value() + ", sensitive " + e.isSensitive() + ", type " + e.type());
    }
  }

  static void alter(Admin admin, ConfigResource of, String name) throws Exception {
    var op = new AlterConfigOp(new ConfigEntry(name, "1000"), AlterConfigOp.OpType.SET);
    try {
      admin.incrementalAlterConfigs(Map.of(of, List.of(op))).all().get();
      System.out.println(of.type() + " " + name + ": done");
    } catch (java.util.concurrent.ExecutionException e) {
      System.out.println(of.type() + " " + name + ": " + e.getCause().getMessage());
    }
  }
}
JAVA
verdict "$(run_java "$work/Finding.java" "$kafka" 2>&1)" '^TOPIC retention.mss: Unknown topic config name: retention.mss$' \
  '^BROKER log.retention.mss: done$' '^log.retention.mss is described: value null, sensitive true, type UNKNOWN$'
