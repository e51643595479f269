import static java.nio.charset.StandardCharsets.UTF_8;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.InvalidRecordException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.errors.InvalidRequiredAcksException;
import org.apache.kafka.common.errors.PolicyViolationException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Which features of the broker the Java client uses. */
public class Features {
  static final String BROKER = System.getenv("BROKER");
  static final List<String> POSITIONS = List.of("zero", "one", "two", "three");
  static final String LOCKS = "java-locks";

  static void check(String name, Callable<String> run) {
    String result = "ok", note;
    try {
      note = run.call();
    } catch (Exception | AssertionError e) {
      e.printStackTrace();
      result = "FAIL";
      note = e.toString();
    }
    System.out.println(name + "\t" + result + "\t" + note.replaceAll("\\s+", " "));
  }

  static void equal(Object got, Object want) {
    if (!got.equals(want)) throw new AssertionError("got " + abbreviated(got) + ", want " + abbreviated(want));
  }

  static String abbreviated(Object o) {
    String text = o.toString();
    return text.length() < 300 ? text : text.substring(0, 300);
  }

  static KafkaProducer<byte[], byte[]> producer(String... settings) {
    Properties p = new Properties();
    p.put("bootstrap.servers", BROKER);
    p.put("linger.ms", "0");
    for (int i = 0; i < settings.length; i += 2) p.put(settings[i], settings[i + 1]);
    return new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer());
  }

  static Header header(String name, byte[] value) {
    return new RecordHeader(name, value);
  }

  static Header header(String name, String value) {
    return header(name, value.getBytes(UTF_8));
  }

  static long send(KafkaProducer<byte[], byte[]> p, String topic, Long time, String value, Header... headers) throws Exception {
    try {
      return p.send(new ProducerRecord<>(topic, 0, time, null, value.getBytes(UTF_8), List.of(headers))).get().offset();
    } catch (ExecutionException e) {
      throw (Exception) e.getCause();
    }
  }

  interface Seek {
    void to(KafkaConsumer<byte[], byte[]> c, TopicPartition part);
  }

  static final Seek BEGINNING = (c, part) -> c.seekToBeginning(List.of(part));

  /** Reads n records of partition 0. */
  static List<ConsumerRecord<byte[], byte[]>> read(String topic, int n, Seek seek) {
    var part = new TopicPartition(topic, 0);
    var found = new ArrayList<ConsumerRecord<byte[], byte[]>>();
    var settings = Map.<String, Object>of("bootstrap.servers", BROKER, "enable.auto.commit", "false");
    try (var c = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      c.assign(List.of(part));
      seek.to(c, part);
      for (int polls = 0; found.size() < n && polls < 60; polls++) c.poll(Duration.ofMillis(500)).forEach(found::add);
    }
    return found;
  }

  static List<String> values(String topic, int n, Seek seek) {
    return read(topic, n, seek).stream().map(r -> new String(r.value(), UTF_8)).toList();
  }

  static byte[] word(String text, int times) {
    if (text.equals("null")) return null;
    byte[] once = text.equals("empty") ? new byte[0] : HexFormat.of().parseHex(text);
    byte[] all = new byte[once.length * times];
    for (int i = 0; i < times; i++) System.arraycopy(once, 0, all, i * once.length, once.length);
    return all;
  }

  static List<ProducerRecord<byte[], byte[]>> samples(String topic) throws Exception {
    var found = new ArrayList<ProducerRecord<byte[], byte[]>>();
    for (String line : Files.readAllLines(Path.of(System.getenv("SAMPLES")))) {
      if (line.startsWith("#")) continue;
      String[] column = line.split(" ");
      var headers = new ArrayList<Header>();
      if (!column[3].equals("none")) for (String item : column[3].split(",")) headers.add(header(item.split(":")[0], word(item.split(":")[1], 1)));
      found.add(new ProducerRecord<>(topic, 0, null, word(column[1], 1), word(column[2], Integer.parseInt(column[0])), headers));
    }
    return found;
  }

  static String show(byte[] key, byte[] value, Iterable<Header> headers) {
    var text = new StringBuilder(Arrays.toString(key) + "=" + Arrays.toString(value));
    headers.forEach(h -> text.append(" " + h.key() + ":" + Arrays.toString(h.value())));
    return text.toString();
  }

  static String codec(String name) throws Exception {
    return roundTrip("java-codec-" + name, name);
  }

  static String roundTrip(String topic, String codec) throws Exception {
    var want = samples(topic);
    try (var p = producer("compression.type", codec)) {
      var sent = want.stream().map(p::send).toList();
      for (Future<RecordMetadata> f : sent) f.get();
    }
    var got = read(topic, want.size(), BEGINNING);
    equal(got.stream().map(r -> show(r.key(), r.value(), r.headers())).toList(), want.stream().map(r -> show(r.key(), r.value(), r.headers())).toList());
    return "";
  }

  static String acks(String level) throws Exception {
    try (var p = producer("acks", level, "enable.idempotence", "false")) {
      send(p, "java-acks-" + level, null, "one");
    }
    equal(values("java-acks-" + level, 1, BEGINNING), List.of("one"));
    return "";
  }

  static String idempotent() throws Exception {
    var want = new ArrayList<String>();
    try (var p = producer("batch.size", "1", "max.in.flight.requests.per.connection", "5")) {
      var sent = new ArrayList<Future<RecordMetadata>>();
      for (int i = 0; i < 500; i++) {
        want.add("value-" + i);
        sent.add(p.send(new ProducerRecord<>("java-idempotent", 0, null, want.get(i).getBytes(UTF_8))));
      }
      for (var f : sent) f.get();
    }
    equal(values("java-idempotent", 500, BEGINNING), want);
    return "";
  }

  static void positions() throws Exception {
    long start = System.currentTimeMillis() - 60_000;
    try (var p = producer()) {
      for (int i = 0; i < POSITIONS.size(); i++) send(p, "java-positions", start + 1000 * i, POSITIONS.get(i));
    }
    check("from-beginning", () -> position(0, BEGINNING));
    check("from-offset", () -> position(2, (c, part) -> c.seek(part, 2)));
    check("from-timestamp", () -> position(1, (c, part) -> c.seek(part, c.offsetsForTimes(Map.of(part, start + 500)).get(part).offset())));
  }

  static String position(int skipped, Seek seek) {
    equal(values("java-positions", POSITIONS.size() - skipped, seek), POSITIONS.subList(skipped, POSITIONS.size()));
    return "";
  }

  static void admin() {
    var made = List.of("java-made");
    try (var admin = Admin.create(Map.of("bootstrap.servers", BROKER))) {
      check("create", () -> {
        admin.createTopics(List.of(new NewTopic("java-made", 3, (short) 1).configs(Map.of("retention.ms", "3600000")))).all().get();
        return "";
      });
      check("list", () -> {
        equal(admin.listTopics().names().get().contains("java-made"), true);
        equal(admin.describeTopics(made).allTopicNames().get().get("java-made").partitions().size(), 3);
        return "";
      });
      check("delete", () -> {
        admin.deleteTopics(made).all().get();
        for (int tries = 0; admin.listTopics().names().get().contains("java-made"); tries++) {
          equal(tries < 100, true);
          Thread.sleep(100);
        }
        return "";
      });
    }
  }

  /** What the broker has compressed, since the topics ask for it. */
  static String recompressed() throws Exception {
    try (var admin = Admin.create(Map.of("bootstrap.servers", BROKER))) {
      for (String name : List.of("uncompressed", "gzip", "snappy", "lz4", "zstd")) {
        String topic = "java-to-" + name;
        admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1).configs(Map.of("compression.type", name)))).all().get();
        roundTrip(topic, name.equals("uncompressed") ? "zstd" : "none");
      }
    }
    return "";
  }

  /** Ten of a batch of a hundred have no key, for a compacted topic: those are blamed, and the others may be sent again. */
  static String offenders() throws Exception {
    try (var admin = Admin.create(Map.of("bootstrap.servers", BROKER)); var p = producer("linger.ms", "1000")) {
      admin.createTopics(List.of(new NewTopic("java-compacted", 1, (short) 1).configs(Map.of("cleanup.policy", "compact")))).all().get();
      var blamed = new ArrayList<Integer>();
      var innocent = new ArrayList<Integer>();
      for (int i = 0; i < 100; i++) {
        int n = i;
        byte[] key = i % 10 == 3 ? null : "k".getBytes(UTF_8);
        p.send(new ProducerRecord<>("java-compacted", 0, key, "v".getBytes(UTF_8)), (answer, e) -> {
          if (e instanceof InvalidRecordException) blamed.add(n);
          else if (e != null && e.getMessage().startsWith("Failed to append record because it was part of a batch")) innocent.add(n);
        });
      }
      p.flush();
      equal(blamed, List.of(3, 13, 23, 33, 43, 53, 63, 73, 83, 93));
      equal(innocent.size(), 90);
    }
    return "";
  }

  static String refused(KafkaProducer<byte[], byte[]> p, Class<? extends ApiException> want, String text, Header... headers) throws Exception {
    try {
      send(p, LOCKS, null, "refused", headers);
    } catch (ApiException e) {
      equal(e.getClass(), want);
      equal(abbreviated(e.getMessage()).startsWith(text), true);
      return want.getSimpleName() + (text.isEmpty() ? "" : ", with the text");
    }
    throw new AssertionError("not refused");
  }

  /** One of many small batches is refused: what was acknowledged is in the log, once and in order. */
  static String inFlight() throws Exception {
    var acked = new ArrayList<String>();
    var refusals = new ArrayList<Exception>();
    List<Header> stale = List.of(header("lock-write", "*"), header("lock-basis", "none"));
    try (var p = producer("batch.size", "1")) {
      for (int i = 0; i < 50; i++) {
        String value = "value-" + i;
        p.send(new ProducerRecord<>("java-in-flight", 0, null, null, value.getBytes(UTF_8), i == 20 ? stale : List.<Header>of()), (answer, e) -> {
          if (e == null) acked.add(value);
          else refusals.add(e);
        });
      }
      p.flush();
    }
    equal(refusals.stream().filter(e -> e instanceof PolicyViolationException).count(), 1L);
    equal(values("java-in-flight", acked.size(), BEGINNING), acked);
    return refusals.size() == 1 ? "" : "what shared the batch failed too";
  }

  static void locks() throws Exception {
    Header write = header("lock-write", "acct:7"), stale = header("lock-basis", "none"), once = header("lock-id", "req-1");
    try (var p = producer(); var one = producer("acks", "1", "enable.idempotence", "false")) {
      send(p, LOCKS, null, "first", write, stale);
      check("conflict", () -> refused(p, PolicyViolationException.class, "CONFLICT lock=acct:7 last=0 basis=none by=- record=0:", write, stale));
      check("after-conflict", () -> {
        send(p, LOCKS, null, "second", write, header("lock-basis", "0"));
        equal(values(LOCKS, 2, BEGINNING), List.of("first", "second"));
        return "idempotent";
      });
      check("conflict-in-flight", Features::inFlight);
      check("malformed", () -> refused(p, InvalidRecordException.class, "MALFORMED record=0:", header("lock-wirte", "acct:7")));
      check("lock-acks-1", () -> refused(one, InvalidRequiredAcksException.class, "", write, header("lock-basis", "1")));
      check("append-once", () -> {
        equal(List.of(send(p, LOCKS, null, "third", once), send(p, LOCKS, null, "third", once)), List.of(2L, 2L));
        return "";
      });
    }
  }

  public static void main(String[] args) throws Exception {
    for (String name : List.of("none", "gzip", "snappy", "lz4", "zstd")) check("codec-" + name, () -> codec(name));
    for (String level : List.of("0", "1", "all")) check("acks-" + level, () -> acks(level));
    check("idempotent", Features::idempotent);
    positions();
    admin();
    check("offenders", Features::offenders);
    check("recompressed", Features::recompressed);
    locks();
  }
}
