package io.lockstep.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Supplier;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** The scenarios that the client libraries of all languages must come through alike: test/conformance/scenarios.json. */
class ConformanceTest {
    private static final String TOPIC = "conformance";
    private static final Duration SOON = Duration.ofSeconds(60);

    @TestFactory
    Stream<DynamicTest> scenarios() throws Exception {
        JsonNode all = new ObjectMapper().readTree(Path.of("../../test/conformance/scenarios.json").toFile());
        return StreamSupport.stream(all.spliterator(), false)
            .map(s -> DynamicTest.dynamicTest(s.get("name").asText(), () -> {
                try (Broker broker = new Broker()) {
                    new Run(broker, s).steps();
                }
            }));
    }

    /** The process that moves money until it is killed. */
    public static void main(String[] args) {
        ConditionalProducer p = new ConditionalProducer(Map.of("bootstrap.servers", args[0]));
        View<Map<String, Integer>> bank = new View<>(p, TOPIC, 0, new HashMap<>(), ConformanceTest::apply);
        System.out.println("ready");
        for (int i = 0; i < 1_000_000; i++) {
            transfer(bank);
        }
    }

    private static String text(byte[] b) {
        return new String(b, StandardCharsets.UTF_8);
    }

    private static Map<String, Integer> apply(Map<String, Integer> bank, ConsumerRecord<byte[], byte[]> r) {
        bank.put(text(r.key()), Integer.parseInt(text(r.value())));
        return bank;
    }

    private static void move(Tx tx, Map<String, Integer> bank, String source, String target, int amount) {
        int from = bank.getOrDefault(source, 100);
        if (from >= amount) {
            tx.lock(Lock.write(source), Lock.write(target));
            tx.append(NewRecord.of(source, "" + (from - amount)), NewRecord.of(target, "" + (bank.getOrDefault(target, 100) + amount)));
        }
    }

    private static void transfer(View<Map<String, Integer>> bank) {
        int source = ThreadLocalRandom.current().nextInt(3);
        bank.update((tx, s) -> move(tx, s, "a" + source, "a" + (source + 1) % 3, 1));
    }

    private static Lock lock(String text) {
        int at = text.lastIndexOf('@');
        String own = at < 0 ? "" : text.substring(at + 1);
        if (own.matches("none|[0-9]+")) {
            return lock(text.substring(0, at)).at(own.equals("none") ? Lock.NONE : Long.parseLong(own));
        }
        String[] words = text.split(" ", 2);
        return switch (words[0]) {
            case "write" -> Lock.write(words[1]);
            case "read" -> Lock.read(words[1]);
            case "append" -> Lock.append(words[1]);
            default -> Lock.partition();
        };
    }

    private static Cond cond(JsonNode q) {
        List<Lock> locks = new ArrayList<>();
        q.path("locks").forEach(l -> locks.add(lock(l.asText())));
        return new Cond(q.path("id").asText(""), q.path("basis").asLong(Lock.NONE), locks);
    }

    private static NewRecord[] records(JsonNode q) {
        List<NewRecord> all = new ArrayList<>();
        q.get("records").forEach(r -> all.add(
            r.isArray() ? NewRecord.of(r.get(0).asText(), r.get(1).asText()) : NewRecord.of(null, r.asText())));
        return all.toArray(NewRecord[]::new);
    }

    private static Map<String, Object> refusal(Refusal r) {
        String kind = switch (r.kind()) {
            case CONFLICT, UNKNOWN -> "conflict";
            case DUPLICATE -> "duplicate";
            case HELD -> "held";
            case MALFORMED -> "malformed";
        };
        return Map.of("error", kind, "lock", r.lock(), "last", r.last(), "basis", r.basis(), "by", r.by(), "record", r.record());
    }

    private static Map<String, Object> outcome(Supplier<Result> call) {
        try {
            Result r = call.get();
            return r == null ? null : Map.of("offset", r.offset(), "records", r.records());
        } catch (CompletionException e) {
            return outcome(() -> {
                throw (RuntimeException) e.getCause();
            });
        } catch (RefusedException e) {
            return refusal(e.refusal());
        } catch (LogCutException e) {
            return Map.of("error", "cut");
        } catch (UnknownResultException | InterruptedAppendException e) {
            return Map.of("error", "unknown or unsent");
        }
    }

    /** What is wanted is what stands there, and nothing else. */
    private static void check(JsonNode step, Map<String, Object> got) {
        JsonNode want = step.get("want");
        if (want == null) {
            return;
        }
        assertEquals(want.isNull(), got == null, () -> "got " + got + ", want " + want);
        want.fields().forEachRemaining(f -> assertEquals(f.getValue().asText(), String.valueOf(got.get(f.getKey())),
            () -> f.getKey() + ": got " + got + ", want " + want));
    }

    /** One scenario under way. */
    private static final class Run {
        private final Broker broker;
        private final JsonNode scenario;
        private final ConditionalProducer producer;
        private View<Map<String, Integer>> view; // begun when it is wanted
        private View.Options options = View.Options.DEFAULT;

        Run(Broker broker, JsonNode scenario) throws Exception {
            this.broker = broker;
            this.scenario = scenario;
            List<String> settings = new ArrayList<>();
            if (scenario.has("settings")) {
                scenario.get("settings").fields().forEachRemaining(f -> settings.add(f.getKey() + "=" + f.getValue().asText()));
            } else {
                settings.add("conflict.policy=required");
            }
            broker.topic(TOPIC, settings.toArray(String[]::new));
            producer = new ConditionalProducer(broker.config());
        }

        void steps() throws Exception {
            try {
                for (JsonNode s : scenario.get("steps")) {
                    step(s);
                }
            } finally {
                closeView();
                producer.close();
            }
        }

        private void closeView() {
            if (view != null) {
                view.close();
                view = null;
            }
        }

        private synchronized View<Map<String, Integer>> view() {
            if (view == null) {
                view = new View<>(producer, TOPIC, 0, new HashMap<>(), ConformanceTest::apply, options);
            }
            return view;
        }

        private void step(JsonNode s) throws Exception {
            String kind = Stream.of("headers", "parse", "append", "together", "move", "view", "state", "kill", "start")
                .filter(s::has).findFirst().orElse("");
            switch (kind) {
                case "headers" -> headers(s);
                case "parse" -> check(s, Refusal.parse(s.get("parse").asText()).map(ConformanceTest::refusal).orElse(null));
                case "append" -> check(s, append(s.get("append")));
                case "together" -> together(s.get("together"));
                case "move" -> moved(s);
                case "view" -> {
                    closeView();
                    options = new View.Options(s.get("view").path("basis").asLong(Lock.NONE), s.get("view").path("allow_cut").asBoolean(),
                        null);
                }
                case "state" -> state(s);
                case "kill" -> broker.kill();
                case "start" -> broker.start();
                default -> longStep(s);
            }
        }

        private void longStep(JsonNode s) throws Exception {
            String kind = Stream.of("delete records", "log", "side by side", "transfers", "client", "total", "audit").filter(s::has)
                .findFirst().orElseThrow();
            switch (kind) {
                case "delete records" -> deleteRecords(s.get(kind).asLong());
                case "log" -> assertEquals(strings(s.get(kind)), log());
                case "side by side" -> sideBySide(s);
                case "transfers" -> transfers(s.get(kind));
                case "client" -> killClient(s.get(kind).get("kill_after_ms").asLong());
                case "total" -> total(s.get(kind).asInt());
                default -> broker.run("audit", TOPIC);
            }
        }

        private static List<String> strings(JsonNode all) {
            return StreamSupport.stream(all.spliterator(), false).map(JsonNode::asText).toList();
        }

        private void headers(JsonNode s) {
            Cond c = cond(s.get("headers"));
            List<String> got = new ArrayList<>();
            Lock.attach(new ProducerRecord<>("t", "v"), c.basis(), c.locks().toArray(Lock[]::new)).headers()
                .forEach(h -> got.add(h.key() + ": " + text(h.value())));
            assertEquals(strings(s.get("want")), got);
        }

        private Map<String, Object> append(JsonNode q) {
            Duration timeout = Duration.ofMillis(q.path("timeout_ms").asLong(60_000));
            return outcome(() -> producer.append(timeout, TOPIC, 0, cond(q), records(q)));
        }

        private void together(JsonNode steps) {
            Map<JsonNode, CompletableFuture<Result>> all = new LinkedHashMap<>();
            for (JsonNode s : steps) {
                JsonNode q = s.get("append");
                all.put(s, producer.appendAsync(TOPIC, 0, cond(q), records(q)));
            }
            all.forEach((s, f) -> check(s, outcome(f::join)));
        }

        private void moved(JsonNode s) {
            int[] tries = {0};
            JsonNode m = s.get("move");
            check(s, outcome(() -> view().update(SOON, (tx, bank) -> {
                if (++tries[0] == 1 && s.has("meanwhile")) {
                    producer.append(TOPIC, 0, cond(s.get("meanwhile")), records(s.get("meanwhile")));
                }
                move(tx, bank, m.get(0).asText(), m.get(1).asText(), m.get(2).asInt());
            })));
        }

        private void state(JsonNode s) {
            if (s.get("state").isNull()) {
                check(s, outcome(() -> view().<Result>read(SOON, (state, basis) -> null)));
                return;
            }
            Map<String, Integer> want = new HashMap<>();
            s.get("state").fields().forEachRemaining(f -> want.put(f.getKey(), f.getValue().asInt()));
            view().read(SOON, (state, basis) -> {
                assertEquals(want, state);
                assertEquals(s.path("basis").asLong(basis), basis);
                return null;
            });
        }

        private void deleteRecords(long offset) throws Exception {
            try (Admin admin = Admin.create(broker.config())) {
                admin.deleteRecords(Map.of(new TopicPartition(TOPIC, 0), RecordsToDelete.beforeOffset(offset))).all().get();
            }
        }

        private List<String> log() {
            try (Feed feed = new Feed(broker.config(), new TopicPartition(TOPIC, 0))) {
                List<String> found = new ArrayList<>();
                long end = feed.bounds()[1];
                feed.begin(0);
                while (feed.next() < end) {
                    feed.read(Duration.ofSeconds(1)).forEach(r -> found.add(text(r.value())));
                }
                return found;
            }
        }

        private void sideBySide(JsonNode s) {
            List<String> log = log();
            String all = "|" + String.join("|", log) + "|";
            for (JsonNode group : s.get("side by side")) {
                String wanted = "|" + String.join("|", strings(group)) + "|";
                assertTrue(all.contains(wanted) && all.indexOf(wanted) == all.lastIndexOf(wanted), () -> wanted + " in " + all);
            }
            assertEquals(s.get("count").asInt(), log.size());
        }

        private void transfers(JsonNode x) throws Exception {
            ExecutorService pool = Executors.newCachedThreadPool();
            List<Future<?>> all = new ArrayList<>();
            for (int i = 0; i < x.get("threads").asInt(); i++) {
                all.add(pool.submit(() -> {
                    for (int n = 0; n < x.get("each").asInt(); n++) {
                        transfer(view());
                    }
                }));
            }
            for (int i = 0; i < x.get("kills").asInt(); i++) {
                Thread.sleep(x.get("kill_broker_every_ms").asLong());
                broker.kill();
                broker.start();
            }
            for (Future<?> f : all) {
                f.get();
            }
            pool.shutdown();
        }

        private void killClient(long afterMs) throws Exception {
            Process client = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-cp",
                System.getProperty("java.class.path"), ConformanceTest.class.getName(), broker.address).start();
            assertEquals("ready", client.inputReader().readLine());
            Thread.sleep(afterMs);
            client.destroyForcibly().waitFor();
        }

        private void total(int want) {
            closeView(); // a new one reads all that there is
            int got = view().<Integer>read(SOON, (s, basis) -> Stream.of("a0", "a1", "a2").mapToInt(a -> s.getOrDefault(a, 100)).sum());
            assertEquals(want, got);
        }
    }
}
