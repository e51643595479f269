package io.lockstep.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.sqlite.SQLiteConfig;
import org.sqlite.SQLiteDataSource;

/** The producer, views and appliers against a real broker. */
@Timeout(120)
class ClientTest {
    private static final Duration SOON = Duration.ofSeconds(30);
    private static final AtomicInteger NAMES = new AtomicInteger();
    private static Broker broker;
    private ConditionalProducer producer;
    private String topic;

    @BeforeAll
    static void startBroker() throws Exception {
        broker = new Broker();
    }

    @AfterAll
    static void stopBroker() throws Exception {
        broker.close();
    }

    @BeforeEach
    void begin() throws Exception {
        topic = broker.topic("t" + NAMES.incrementAndGet(), "conflict.policy=required");
        producer = new ConditionalProducer(broker.config());
    }

    @AfterEach
    void end() {
        producer.close();
    }

    private static NewRecord value(String v) {
        return NewRecord.of(null, v);
    }

    private static String text(byte[] b) {
        return new String(b, StandardCharsets.UTF_8);
    }

    private static List<String> read(Broker from, String topic) {
        try (Feed feed = new Feed(from.config(), new TopicPartition(topic, 0))) {
            List<String> found = new ArrayList<>();
            long end = feed.bounds()[1];
            feed.begin(0);
            while (feed.next() < end) {
                feed.read(Duration.ofSeconds(1)).forEach(r -> found.add(text(r.value())));
            }
            return found;
        }
    }

    @Test
    void anAppendThatPassesSaysWhereItIs() {
        Result first = producer.append(topic, 0, Cond.of(Lock.NONE, Lock.write("a")), value("one"), value("two"));
        assertEquals(new Result(0, 2), first);
        assertEquals(2, producer.append(topic, 0, Cond.of(1, Lock.write("a")), value("three")).offset());
    }

    @Test
    void aRefusalNamesTheLockAndWhoWroteIt() {
        producer.append(topic, 0, Cond.of(Lock.NONE, Lock.write("acct:7")).withId("req-9"), value("one"));
        Refusal r = assertThrows(ConflictException.class,
            () -> producer.append(topic, 0, Cond.of(Lock.NONE, Lock.read("b"), Lock.write("acct:7")), value("two"))).refusal();
        assertEquals(List.of("acct:7", 0L, Lock.NONE, "req-9"), List.of(r.lock(), r.last(), r.basis(), r.by()));
    }

    @Test
    void anIdMakesAnAppendAppendOnce() {
        Cond cond = Cond.of(Lock.NONE, Lock.write("a")).withId("order-1");
        assertEquals(0, producer.append(topic, 0, cond, value("one"), value("two")).offset());
        assertEquals(0, producer.append(topic, 0, cond, value("one"), value("two")).offset());
        Refusal r = assertThrows(DuplicateException.class,
            () -> producer.append(topic, 0, new Cond("order-1", Lock.NONE, List.of()), value("other"))).refusal();
        assertEquals(0, r.last());
    }

    @Test
    void whatIsNotJudgedIsSaid() throws Exception {
        assertThrows(MalformedException.class, () -> producer.append(topic, 0, Cond.of(Lock.NONE, Lock.write("")), value("one")));
        assertThrows(MalformedException.class, () -> producer.append(topic, 0, Cond.of(99, Lock.write("a")), value("one")));
        String copies = broker.topic("copies", "conflict.policy=carry");
        String told = assertThrows(MalformedException.class,
            () -> producer.append(copies, 0, Cond.of(Lock.NONE, Lock.write("a")), value("one"))).getMessage();
        assertTrue(told.contains("conflict.policy=carry: locks are not judged here"), told);
        assertThrows(AppendFailedException.class, () -> producer.append(topic, 7, Cond.of(Lock.NONE, Lock.append("a")), value("one")));
    }

    /** A hundred at once, of which every tenth is stale: those are refused, the others are in, once, side by side. */
    @Test
    void eachAppendOfABatchHasItsOwnVerdict() {
        producer.append(topic, 0, Cond.of(Lock.NONE, Lock.write("hot")), value("first"));
        List<CompletableFuture<Result>> futures = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            Lock lock = Lock.write(i % 10 == 3 ? "hot" : "own-" + i);
            futures.add(producer.appendAsync(topic, 0, Cond.of(Lock.NONE, lock), value(i + "a"), value(i + "b")));
        }
        Map<Integer, Long> admitted = new TreeMap<>();
        for (int i = 0; i < 100; i++) {
            CompletableFuture<Result> f = futures.get(i);
            if (i % 10 == 3) {
                Throwable cause = assertThrows(CompletionException.class, f::join).getCause();
                Refusal r = ((ConflictException) cause).refusal();
                assertEquals(List.of("hot", 0L, 1), List.of(r.lock(), r.last(), r.record()));
            } else {
                admitted.put(i, f.join().offset());
            }
        }
        List<String> log = read(broker, topic);
        assertEquals(181, log.size());
        admitted.forEach((i, offset) -> assertEquals(List.of(i + "a", i + "b"),
            log.subList(offset.intValue(), offset.intValue() + 2)));
    }

    @Test
    void ofTwentyWritersOfOneLockOneWins() {
        List<CompletableFuture<Result>> futures = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            futures.add(producer.appendAsync(topic, 0, Cond.of(Lock.NONE, Lock.write("a")), value("" + i)));
        }
        long won = futures.stream().filter(f -> !f.handle((r, e) -> e != null).join()).count();
        assertEquals(1, won);
    }

    /** What was acknowledged is in the log once, at its offset, and nothing else, though the broker is killed three times. */
    @Test
    void aKilledBrokerCostsNothingThatWasAcknowledged() throws Exception {
        try (Broker victim = new Broker(); ConditionalProducer p = new ConditionalProducer(victim.config())) {
            String ledger = victim.topic("ledger", "conflict.policy=required");
            Map<Long, String> acked = Collections.synchronizedMap(new TreeMap<>());
            AtomicBoolean stop = new AtomicBoolean();
            ExecutorService pool = Executors.newFixedThreadPool(4);
            List<Future<?>> writers = new ArrayList<>();
            for (int w = 0; w < 4; w++) {
                String name = "w" + w;
                writers.add(pool.submit(() -> {
                    long basis = Lock.NONE;
                    for (int n = 0; !stop.get(); n++) {
                        basis = p.append(ledger, 0, Cond.of(basis, Lock.write(name)), value(name + "-" + n)).offset();
                        acked.put(basis, name + "-" + n);
                    }
                }));
            }
            for (int i = 0; i < 3; i++) {
                Thread.sleep(700);
                victim.kill();
                victim.start();
            }
            Thread.sleep(700);
            stop.set(true);
            for (Future<?> w : writers) {
                w.get();
            }
            pool.shutdown();
            List<String> log = read(victim, ledger);
            assertTrue(acked.size() > 20);
            assertEquals(log, List.copyOf(acked.values()));
        }
    }

    @Test
    void timeUpBeforeItWasSentIsToldFromAfter() throws Exception {
        try (Broker victim = new Broker(); ConditionalProducer p = new ConditionalProducer(victim.config())) {
            String t = victim.topic("t", "conflict.policy=required");
            p.append(t, 0, Cond.of(Lock.NONE, Lock.write("a")), value("one"));
            victim.kill();
            Cond second = Cond.of(0, Lock.write("a")).withId("x");
            assertThrows(UnknownResultException.class, () -> p.append(Duration.ofMillis(500), t, 0, second, value("two")));
            assertThrows(InterruptedAppendException.class,
                () -> p.append(Duration.ofMillis(200), t, 0, Cond.of(Lock.NONE, Lock.write("b")), value("three")));
            victim.start();
            assertEquals(1, p.append(t, 0, second, value("two")).offset());
        }
    }

    private static Map<String, Integer> apply(Map<String, Integer> bank, ConsumerRecord<byte[], byte[]> r) {
        bank.put(text(r.key()), Integer.parseInt(text(r.value())));
        return bank;
    }

    private View<Map<String, Integer>> bank(ConditionalProducer p) {
        return new View<>(p, topic, 0, new HashMap<>(), ClientTest::apply);
    }

    private static void move(Tx tx, Map<String, Integer> bank, String source, String target, int amount) {
        int from = bank.getOrDefault(source, 100);
        if (from < amount) {
            return;
        }
        tx.lock(Lock.write(source), Lock.write(target));
        tx.append(NewRecord.of(source, "" + (from - amount)), NewRecord.of(target, "" + (bank.getOrDefault(target, 100) + amount)));
    }

    @Test
    void updateDecidesOnTheStateAndReadsItsOwnWrites() {
        try (var bank = bank(producer)) {
            assertEquals(new Result(0, 2), bank.update((tx, s) -> move(tx, s, "alice", "bob", 10)));
            assertEquals(Map.of("alice", 90, "bob", 110), bank.read((s, basis) -> Map.copyOf(s)));
            assertNull(bank.update((tx, s) -> move(tx, s, "alice", "bob", 91)));
            long at = bank.<Long>read((s, basis) -> basis);
            assertEquals(1, at);
        }
    }

    @Test
    void somebodyFasterMakesItDecideAgain() {
        List<Integer> tries = new ArrayList<>();
        try (ConditionalProducer other = new ConditionalProducer(broker.config()); var bank = bank(producer)) {
            bank.update((tx, s) -> {
                tries.add(s.getOrDefault("alice", 100));
                if (tries.size() == 1) {
                    other.append(topic, 0, Cond.of(Lock.NONE, Lock.write("alice")), NewRecord.of("alice", "50"));
                }
                move(tx, s, "alice", "bob", 10);
            });
            assertEquals(List.of(100, 50), tries);
            assertEquals(Map.of("alice", 40, "bob", 110), bank.read((s, basis) -> Map.copyOf(s)));
        }
    }

    @Test
    void threadsAndViewsTogetherLoseNoMoney() throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(9);
        try (ConditionalProducer second = new ConditionalProducer(broker.config());
            var a = bank(producer); var b = bank(second); var c = bank(second)) {
            List<Future<?>> all = new ArrayList<>();
            for (var bank : List.of(a, b, c, a, b, c, a, b, c)) {
                all.add(pool.submit(() -> {
                    for (int i = 0; i < 15; i++) {
                        int source = ThreadLocalRandom.current().nextInt(3);
                        bank.update((tx, s) -> move(tx, s, "a" + source, "a" + (source + 1) % 3, 1));
                    }
                }));
            }
            for (Future<?> f : all) {
                f.get();
            }
            assertEquals(9 * 15, a.counts().commits() + b.counts().commits() + c.counts().commits());
            int total = a.<Integer>read((s, basis) -> s.values().stream().mapToInt(i -> i).sum() + 100 * (3 - s.size()));
            assertEquals(300, total);
        } finally {
            pool.shutdownNow();
        }
    }

    @Test
    void aCutLogIsNoState() throws Exception {
        String cut = broker.topic("cut");
        for (int i = 0; i < 3; i++) {
            producer.append(cut, 0, Cond.of(Lock.NONE, Lock.append("a")), NewRecord.of("alice", "" + i));
        }
        try (Admin admin = Admin.create(broker.config())) {
            admin.deleteRecords(Map.of(new TopicPartition(cut, 0), RecordsToDelete.beforeOffset(2))).all().get();
        }
        topic = cut;
        try (var bank = bank(producer)) {
            assertThrows(LogCutException.class, () -> bank.read(SOON, (s, basis) -> s));
        }
        try (var bank = new View<Map<String, Integer>>(producer, cut, 0, new HashMap<>(), ClientTest::apply,
            new View.Options(0, false, null))) {
            assertThrows(LogCutException.class, () -> bank.update(SOON, (tx, s) -> move(tx, s, "alice", "bob", 1)));
        }
        try (var bank = new View<Map<String, Integer>>(producer, cut, 0, new HashMap<>(), ClientTest::apply,
            new View.Options(Lock.NONE, true, null))) {
            assertEquals(Map.of("alice", 2), bank.read(SOON, (s, basis) -> Map.copyOf(s)));
        }
    }

    private static SQLiteDataSource database(Path folder) throws SQLException {
        SQLiteConfig config = new SQLiteConfig();
        config.setBusyTimeout(30_000);
        config.setJournalMode(SQLiteConfig.JournalMode.WAL);
        SQLiteDataSource database = new SQLiteDataSource(config);
        database.setUrl("jdbc:sqlite:" + folder.resolve("view.db"));
        try (Connection db = database.getConnection(); Statement s = db.createStatement()) {
            s.executeUpdate("CREATE TABLE IF NOT EXISTS account (id TEXT PRIMARY KEY, balance INTEGER)");
            s.executeUpdate("CREATE TABLE IF NOT EXISTS applied (n INTEGER PRIMARY KEY AUTOINCREMENT, log_offset BIGINT)");
        }
        return database;
    }

    private static void applyRow(Connection db, ConsumerRecord<byte[], byte[]> r) throws SQLException {
        try (Statement s = db.createStatement()) {
            s.executeUpdate("INSERT INTO applied (log_offset) VALUES (" + r.offset() + ")");
            int balance = Integer.parseInt(text(r.value()));
            s.executeUpdate("INSERT INTO account VALUES ('" + text(r.key()) + "', " + balance
                + ") ON CONFLICT (id) DO UPDATE SET balance = excluded.balance");
        }
    }

    private static Map<String, Integer> balances(Connection db) throws SQLException {
        Map<String, Integer> all = new HashMap<>();
        try (Statement s = db.createStatement(); ResultSet rows = s.executeQuery("SELECT id, balance FROM account")) {
            while (rows.next()) {
                all.put(rows.getString(1), rows.getInt(2));
            }
        }
        return all;
    }

    private static List<Long> offsets(Connection db) throws SQLException {
        List<Long> all = new ArrayList<>();
        try (Statement s = db.createStatement(); ResultSet rows = s.executeQuery("SELECT log_offset FROM applied ORDER BY n")) {
            while (rows.next()) {
                all.add(rows.getLong(1));
            }
        }
        return all;
    }

    @Test
    void twoAppliersShareADatabaseAndApplyEachRecordOnce(@TempDir Path folder) throws Exception {
        SQLiteDataSource database = database(folder);
        try (ConditionalProducer second = new ConditionalProducer(broker.config());
            var a = new JdbcApplier(producer, database, topic, 0, ClientTest::applyRow, JdbcApplier.Options.DEFAULT);
            var b = new JdbcApplier(second, database, topic, 0, ClientTest::applyRow, JdbcApplier.Options.DEFAULT)) {
            JdbcApplier last = null;
            for (int i = 0; i < 10; i++) {
                last = i % 2 == 0 ? a : b;
                last.update(null, (tx, db) -> move(tx, balances(db), "alice", "bob", 1));
            }
            assertEquals(Map.of("alice", 90, "bob", 110), last.read(SOON, (db, basis) -> balances(db)));
            List<Long> once = new ArrayList<>();
            for (long i = 0; i < 20; i++) {
                once.add(i);
            }
            assertEquals(once, last.read(SOON, (db, basis) -> offsets(db)));
        }
    }

    @Test
    void poisonStopsOrIsKeptAndTheTransactionIsTheAppliers(@TempDir Path folder) throws Exception {
        producer.append(topic, 0, Cond.of(Lock.NONE, Lock.append("a")), NewRecord.of("alice", "1"), NewRecord.of("bob", "rubbish"),
            NewRecord.of("carol", "2"));
        SQLiteDataSource database = database(folder);
        JdbcApplier.Options keep = new JdbcApplier.Options("lockstep_", 500, JdbcApplier.quarantine("lockstep_"),
            JdbcApplier::passing, false);
        try (var bank = new JdbcApplier(producer, database, topic, 0, ClientTest::applyRow, JdbcApplier.Options.DEFAULT)) {
            assertEquals(1, assertThrows(PoisonException.class, () -> bank.read(SOON, (db, basis) -> basis)).offset());
        }
        try (var bank = new JdbcApplier(producer, database, topic, 0, ClientTest::applyRow, keep)) {
            assertEquals(Map.of("alice", 1, "carol", 2), bank.read(SOON, (db, basis) -> balances(db)));
        }
        String other = broker.topic(topic + "-guard", "conflict.policy=required");
        producer.append(other, 0, Cond.of(Lock.NONE, Lock.append("a")), value("x"));
        try (var bad = new JdbcApplier(producer, database, other, 0, (db, r) -> db.commit(), JdbcApplier.Options.DEFAULT)) {
            String told = assertThrows(PoisonException.class, () -> bad.read(SOON, (db, basis) -> basis)).getMessage();
            assertTrue(told.contains("commit is the applier's"), told);
        }
    }
}
