#!/usr/bin/env bash
# Kafka Connect reads headers with SimpleHeaderConverter unless told otherwise. It takes text for a value of a guessed type,
# and what stands behind the first part that it understands is gone.
. "$(dirname "$0")/lib.sh"
expect "Apache Kafka Connect $kafka_version, its default header converter (SimpleHeaderConverter)" \
  "a header that is text, like 7:acct, leaves Connect as it came in"
java_jars "connect-$kafka_version" "org.apache.kafka:connect-api:$kafka_version"
cat >"$work/Headers.java" <<'JAVA'
import java.util.Map;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.storage.SimpleHeaderConverter;
import org.apache.kafka.connect.storage.StringConverter;

class Headers {
  public static void main(String[] args) throws Exception {
    var converter = new SimpleHeaderConverter();
    converter.configure(Map.of());
    for (String text : new String[] {"7:acct", "acct:7", "true false", "2026-11-29", "[a b]"}) {
      SchemaAndValue in = converter.toConnectHeader("topic", "name", text.getBytes("UTF-8"));
      byte[] out = converter.fromConnectHeader("topic", "name", in.schema(), in.value());
      System.out.println(text + " -> " + new String(out, "UTF-8") + "  as " + (in.schema() == null ? "null" : in.schema().type()));
    }
    var string = new StringConverter(); // the way out
    string.configure(Map.of(), false);
    SchemaAndValue in = string.toConnectHeader("topic", "name", "7:acct".getBytes("UTF-8"));
    System.out.println("StringConverter: 7:acct -> " + new String(string.fromConnectHeader("topic", "name", in.schema(), in.value()), "UTF-8"));
  }
}
JAVA
verdict "$(run_java "$work/Headers.java" 2>&1)" '^7:acct -> 7  as INT8$' '^acct:7 -> acct:7  as STRING$' '^StringConverter: 7:acct -> 7:acct$'
