import static java.nio.charset.StandardCharsets.UTF_8;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** A member of a group: prints what it reads, then commits. Arguments: PROTOCOL TOPIC GROUP. */
public class Member {
  public static void main(String[] args) throws Exception {
    var settings = new HashMap<String, Object>(Map.of("bootstrap.servers", System.getenv("BROKER"), "group.id", args[2],
        "group.protocol", args[0], "auto.offset.reset", "earliest", "enable.auto.commit", "false"));
    if (args[0].equals("classic")) {
      settings.put("session.timeout.ms", "6000");
      settings.put("heartbeat.interval.ms", "1000");
      settings.put("partition.assignment.strategy", CooperativeStickyAssignor.class.getName());
    }
    var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    Thread main = Thread.currentThread();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      consumer.wakeup();
      try {
        main.join();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
    }));
    try (consumer) {
      consumer.subscribe(List.of(args[1]));
      while (true) {
        var found = consumer.poll(Duration.ofMillis(200));
        found.forEach(r -> System.out.println(new String(r.value(), UTF_8)));
        System.out.flush();
        try {
          if (!found.isEmpty()) consumer.commitSync();
        } catch (CommitFailedException | RebalanceInProgressException e) {
          System.err.println(e.getMessage()); // the next owner reads it again
        }
      }
    } catch (WakeupException e) {
      // Asked to leave.
    }
  }
}
