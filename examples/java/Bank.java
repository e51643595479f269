import static java.nio.charset.StandardCharsets.UTF_8;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.PolicyViolationException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Transfers between five accounts of one partition: java Bank BROKER TOPIC NAME COUNT. */
public class Bank {
  final Map<String, Integer> balances = new HashMap<>(); // folded from the log
  final TopicPartition log;
  final KafkaConsumer<String, String> consumer;
  final KafkaProducer<String, String> producer;
  int refused;

  Bank(String broker, String topic) {
    log = new TopicPartition(topic, 0);
    consumer = new KafkaConsumer<>(Map.of("bootstrap.servers", broker), new StringDeserializer(), new StringDeserializer());
    consumer.assign(List.of(log));
    if (consumer.beginningOffsets(List.of(log)).get(log) > 0) {
      throw new IllegalStateException("the log was cut: balances cannot be folded from what is left");
    }
    consumer.seekToBeginning(List.of(log));
    // acks=all and idempotence are this client's defaults. One record under way
    // at a time: a refusal is the whole batch's.
    producer = new KafkaProducer<>(Map.of("bootstrap.servers", broker, "acks", "all"), new StringSerializer(), new StringSerializer());
  }

  /** Reads up to the end, and returns the basis: the last offset that was read. */
  String catchUp() {
    long end = consumer.endOffsets(List.of(log)).get(log);
    while (consumer.position(log) < end) {
      for (var r : consumer.poll(Duration.ofMillis(500))) {
        String[] entry = r.value().split(" "); // from, to, amount
        balances.merge(entry[0], -Integer.parseInt(entry[2]), Integer::sum);
        balances.merge(entry[1], Integer.parseInt(entry[2]), Integer::sum);
      }
    }
    return end == 0 ? "none" : String.valueOf(consumer.position(log) - 1);
  }

  /** Appends an entry unless a lock was written since the basis; false: it was. */
  boolean append(String entry, String locks, String basis, String id) throws Exception {
    var r = new ProducerRecord<String, String>(log.topic(), 0, null, entry);
    r.headers().add("lock-write", locks.getBytes(UTF_8)).add("lock-basis", basis.getBytes(UTF_8)).add("lock-id", id.getBytes(UTF_8));
    try {
      producer.send(r).get();
      return true;
    } catch (ExecutionException e) {
      if (!(e.getCause() instanceof PolicyViolationException)) throw e;
      if (refused++ == 0) System.err.println("the first refusal: " + e.getCause().getMessage());
      return false;
    }
  }

  public static void main(String[] args) throws Exception {
    var bank = new Bank(args[0], args[1]);
    var random = new Random();
    for (int i = 0; i < 5; i++) { // whoever comes first opens the account
      bank.append("cash a" + i + " 100", "acct:a" + i, "none", args[2] + "-open-" + i);
    }
    bank.refused = 0;
    for (int done = 0, count = Integer.parseInt(args[3]); done < count; ) {
      String basis = bank.catchUp();
      int from = random.nextInt(5), to = (from + 1 + random.nextInt(4)) % 5, amount = 1 + random.nextInt(30);
      if (bank.balances.get("a" + from) < amount) continue;
      String entry = "a" + from + " a" + to + " " + amount;
      if (bank.append(entry, "acct:a" + from + " acct:a" + to, basis, args[2] + "-" + done)) done++;
    }
    bank.catchUp();
    int total = 0;
    for (int i = 0; i < 5; i++) total += bank.balances.get("a" + i);
    System.out.println(args[2] + ": " + args[3] + " transfers, " + bank.refused + " refused, total " + total);
    bank.producer.close();
    bank.consumer.close();
  }
}
