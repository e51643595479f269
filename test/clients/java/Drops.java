import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** An idempotent producer: prints what is acknowledged. Arguments: TOPIC. */
public class Drops {
  public static void main(String[] args) throws Exception {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", System.getenv("BROKER"));
    settings.put("linger.ms", "0");
    for (String wait : new String[] {"reconnect.backoff.ms", "retry.backoff.ms"}) settings.put(wait, "10");
    for (String wait : new String[] {"reconnect.backoff.max.ms", "retry.backoff.max.ms"}) settings.put(wait, "50");
    try (var p = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
      for (int i = 0; i < 2000; i++) {
        String value = "value-" + i;
        p.send(new ProducerRecord<>(args[0], i % 3, null, value.getBytes(UTF_8)), (answer, e) -> {
          if (e == null) System.out.println(value);
          else System.err.println(value + " " + e);
        });
        Thread.sleep(1);
      }
    }
  }
}
