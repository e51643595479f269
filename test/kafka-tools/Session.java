import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.ByteArrayInputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs a script of Kafka's command-line tools against one broker and prints
 * what each of them printed.
 *
 * <p>Each tool's main runs in this process, one after the other: starting a
 * machine for each would take most of the time. A line of the script is a tool
 * and its arguments; lines that start with "<" after it are its input. A tool
 * that is marked with "sorted" has its lines put in order, where they come out
 * of a hash table. "member GROUP TOPIC RECORDS PROTOCOL" starts a consumer
 * and waits until it has read and committed so many, and "leave GROUP" stops it.
 */
public class Session {
  static final Map<String, String> TOOLS = Map.ofEntries(
      Map.entry("kafka-topics", "org.apache.kafka.tools.TopicCommand"),
      Map.entry("kafka-configs", "kafka.admin.ConfigCommand"),
      Map.entry("kafka-consumer-groups", "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"),
      Map.entry("kafka-groups", "org.apache.kafka.tools.GroupsCommand"),
      Map.entry("kafka-get-offsets", "org.apache.kafka.tools.GetOffsetShell"),
      Map.entry("kafka-delete-records", "org.apache.kafka.tools.DeleteRecordsCommand"),
      Map.entry("kafka-log-dirs", "org.apache.kafka.tools.LogDirsCommand"),
      Map.entry("kafka-leader-election", "org.apache.kafka.tools.LeaderElectionCommand"),
      Map.entry("kafka-reassign-partitions", "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"),
      Map.entry("kafka-broker-api-versions", "org.apache.kafka.tools.BrokerApiVersionsCommand"),
      Map.entry("kafka-features", "org.apache.kafka.tools.FeatureCommand"),
      Map.entry("kafka-metadata-quorum", "org.apache.kafka.tools.MetadataQuorumCommand"),
      Map.entry("kafka-console-producer", "org.apache.kafka.tools.ConsoleProducer"),
      Map.entry("kafka-console-consumer", "org.apache.kafka.tools.consumer.ConsoleConsumer"));

  /** Kafka's broker knows a moment later what its controller has done. */
  static final int KNOWN_MILLIS = 500;

  /** What a tool's call of exit becomes. */
  static class Exited extends Error {
    final int code;

    Exited(int code, String message) {
      super(message);
      this.code = code;
    }
  }

  static final Turnstile out = new Turnstile();
  static final List<Runnable> hooks = new ArrayList<>();
  static final Map<String, Member> members = new HashMap<>();
  static PrintStream transcript;
  static String broker;

  /** A stream that the tools keep from when they are loaded, and that leads elsewhere for each. */
  static class Turnstile extends OutputStream {
    java.io.ByteArrayOutputStream to = new java.io.ByteArrayOutputStream();

    @Override public synchronized void write(int b) { to.write(b); }

    @Override public synchronized void write(byte[] b, int at, int n) { to.write(b, at, n); }

    synchronized String take() {
      String text = to.toString(UTF_8);
      to.reset();
      return text;
    }
  }

  /** One consumer of a group, polled by a thread of its own. */
  static class Member {
    final KafkaConsumer<byte[], byte[]> consumer;
    final CountDownLatch committed = new CountDownLatch(1);
    final int wanted;
    final Thread thread;

    Member(String group, String topic, int wanted, String protocol) {
      this.wanted = wanted;
      consumer = new KafkaConsumer<>(Map.of("bootstrap.servers", broker, "group.id", group, "client.id", "member", "group.protocol", protocol,
          "auto.offset.reset", "earliest", "enable.auto.commit", "false"), new ByteArrayDeserializer(), new ByteArrayDeserializer());
      consumer.subscribe(List.of(topic));
      thread = new Thread(this::poll);
      thread.start();
    }

    void poll() {
      int seen = 0;
      try (consumer) {
        while (true) {
          seen += consumer.poll(Duration.ofMillis(200)).count();
          if (seen >= wanted && committed.getCount() > 0) {
            consumer.commitSync();
            committed.countDown();
          }
        }
      } catch (WakeupException e) {
        // Asked to leave.
      }
    }

    void leave() throws InterruptedException {
      consumer.wakeup();
      thread.join();
    }
  }

  static int run(String tool, List<String> arguments, String input) throws Exception {
    var args = new ArrayList<>(arguments);
    args.addAll(0, List.of("--bootstrap-server", broker));
    System.setIn(new ByteArrayInputStream(input.getBytes(UTF_8)));
    Class<?> main = Class.forName(TOOLS.get(tool));
    if (tool.equals("kafka-console-consumer")) {
      // It counts for as long as its machine runs.
      var count = main.getDeclaredField("messageCount");
      count.setAccessible(true);
      count.setInt(null, 0);
    }
    int code = 0;
    try {
      main.getMethod("main", String[].class).invoke(null, (Object) args.toArray(String[]::new));
    } catch (InvocationTargetException e) {
      if (!(e.getCause() instanceof Exited)) {
        e.getCause().printStackTrace();
        code = 1;
      } else {
        Exited exited = (Exited) e.getCause();
        if (exited.getMessage() != null) System.out.println(exited.getMessage());
        code = exited.code;
      }
    }
    for (Runnable hook : hooks) hook.run();
    hooks.clear();
    System.out.flush();
    return code;
  }

  static void step(String line, String input) throws Exception {
    transcript.println("$ " + line);
    var words = new ArrayDeque<>(List.of(line.split(" +")));
    boolean sorted = words.peek().equals("sorted") && words.remove() != null;
    String tool = words.remove();
    switch (tool) {
      case "member" -> {
        String group = words.remove(), topic = words.remove();
        var member = new Member(group, topic, Integer.parseInt(words.remove()), words.remove());
        members.put(group, member);
        if (!member.committed.await(60, TimeUnit.SECONDS)) transcript.println("the member did not read that much");
      }
      case "leave" -> members.remove(words.remove()).leave();
      default -> {
        int code = run(tool, List.copyOf(words), input);
        var lines = out.take().lines();
        (sorted ? lines.sorted() : lines).forEach(transcript::println);
        if (code != 0) transcript.println("exit " + code);
        if (words.contains("--create") || words.contains("--alter") || words.contains("--delete")) Thread.sleep(KNOWN_MILLIS);
      }
    }
    transcript.println();
    transcript.flush();
  }

  static void awaitBroker() throws Exception {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(90);
    try (var admin = Admin.create(Map.of("bootstrap.servers", broker))) {
      while (admin.describeCluster().nodes().get().isEmpty() && System.nanoTime() < deadline) Thread.sleep(200);
    }
  }

  /** The arguments are the script, and a broker and the file of its transcript, for each broker. */
  public static void main(String[] args) throws Exception {
    PrintStream terminal = System.err;
    Exit.Procedure exit = (code, message) -> { throw new Exited(code, message); };
    Exit.setExitProcedure(exit);
    Exit.setHaltProcedure(exit);
    Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));
    var both = new PrintStream(out, true, UTF_8);
    System.setOut(both);
    System.setErr(both);
    List<String> script = Files.readAllLines(Path.of(args[0]));
    try {
      for (int i = 1; i < args.length; i += 2) {
        broker = args[i];
        transcript = new PrintStream(args[i + 1], UTF_8);
        awaitBroker();
        play(script);
        transcript.close();
      }
    } catch (Exception e) {
      e.printStackTrace(terminal);
      Runtime.getRuntime().halt(2);
    }
    Runtime.getRuntime().halt(0);
  }

  static void play(List<String> script) throws Exception {
    for (int i = 0; i < script.size(); ) {
      String line = script.get(i++);
      if (line.isBlank() || line.startsWith("#")) continue;
      var input = new StringBuilder();
      for (; i < script.size() && script.get(i).startsWith("<"); i++) input.append(script.get(i).substring(1).stripLeading()).append('\n');
      step(line, input.toString());
    }
  }
}
