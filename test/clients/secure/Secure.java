import java.time.Duration;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/** One record through a broker over TLS, by Kafka's own client. */
public class Secure {
  public static void main(String[] args) throws Exception {
    String mechanism = System.getenv("SECURE_MECHANISM");
    Properties p = new Properties();
    p.put("bootstrap.servers", System.getenv("SECURE_BROKER"));
    p.put("ssl.truststore.type", "PEM");
    p.put("ssl.truststore.location", System.getenv("SECURE_CA"));
    if (mechanism.isEmpty()) {
      p.put("security.protocol", "SSL");
      p.put("ssl.keystore.type", "PEM");
      p.put("ssl.keystore.location", System.getenv("SECURE_KEYSTORE"));
    } else {
      String module = mechanism.equals("PLAIN") ? "plain.PlainLoginModule" : "scram.ScramLoginModule";
      p.put("security.protocol", "SASL_SSL");
      p.put("sasl.mechanism", mechanism);
      p.put("sasl.jaas.config", "org.apache.kafka.common.security." + module + " required username=\""
          + System.getenv("SECURE_USER") + "\" password=\"" + System.getenv("SECURE_PASSWORD") + "\";");
    }
    p.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    p.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    p.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
    p.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
    p.put("max.block.ms", "30000");
    String topic = "secure-java-" + System.nanoTime();
    try (KafkaProducer<String, String> producer = new KafkaProducer<>(p)) {
      producer.send(new ProducerRecord<>(topic, "v")).get();
    }
    p.put("group.id", topic);
    p.put("auto.offset.reset", "earliest");
    try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(p)) {
      consumer.subscribe(List.of(topic));
      for (int tries = 0; tries < 30; tries++) {
        for (var r : consumer.poll(Duration.ofSeconds(1))) {
          if (!r.value().equals("v")) throw new IllegalStateException("read " + r.value());
          return;
        }
      }
      throw new IllegalStateException("nothing was read");
    }
  }
}
