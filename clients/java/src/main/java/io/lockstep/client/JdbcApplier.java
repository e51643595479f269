package io.lockstep.client;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.sql.SQLRecoverableException;
import java.sql.SQLTransientException;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import javax.sql.DataSource;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;

/**
 * Folds one partition into tables of a database, each record exactly once, and runs the loop of optimistic writers on them: a
 * {@link View} for a state that outlives its process and is shared by several.
 *
 * <p>One row of the table lockstep_basis holds the offset up to which the partition is in the application's tables. It moves in the
 * transaction that changes them. A process that dies leaves the row and the tables as they were, and goes on from the row; of several
 * processes on one database, the database lets one move the row, and the others skip what it has applied. Package client/sqlview (Go)
 * and lockstep.sqlview (Python) keep the same row.
 */
public final class JdbcApplier implements AutoCloseable {
    /** Puts one record into the application's tables. */
    @FunctionalInterface
    public interface Apply {
        /**
         * Is called again when the transaction did not come about, and depends on nothing but the tables and the record.
         *
         * @param db not to be committed, rolled back or closed: it throws then
         * @param record to apply
         * @throws SQLException if the database refuses
         */
        void apply(Connection db, ConsumerRecord<byte[], byte[]> record) throws SQLException;
    }

    /** Decides about a record that cannot be applied. */
    @FunctionalInterface
    public interface Poison {
        /**
         * Is called with a transaction that has none of the record's changes. Returning skips the record: what was done in the
         * transaction and the basis behind the record are committed together.
         *
         * @param db the transaction
         * @param record that cannot be applied
         * @param cause why
         * @throws Exception ends the applier
         */
        void decide(Connection db, ConsumerRecord<byte[], byte[]> record, Exception cause) throws Exception;
    }

    /**
     * Looks at a snapshot.
     *
     * @param <T> what it makes of it
     */
    @FunctionalInterface
    public interface Look<T> {
        /**
         * Only reads.
         *
         * @param db the tables
         * @param basis up to where the partition is in them
         * @return anything
         * @throws SQLException if the database refuses
         */
        T look(Connection db, long basis) throws SQLException;
    }

    /** Decides on a snapshot. */
    @FunctionalInterface
    public interface Decide {
        /**
         * Only reads.
         *
         * @param tx what is to be appended
         * @param db the tables
         * @throws SQLException if the database refuses
         */
        void decide(Tx tx, Connection db) throws SQLException;
    }

    /**
     * How an applier works.
     *
     * @param prefix begins the names of its own tables
     * @param batchRecords bounds the records of one transaction
     * @param poison decides about records that cannot be applied
     * @param passing whether an error may pass, so that the transaction is to be tried again
     * @param allowCut lets tables to which nothing was applied yet begin where the log does; see {@link View.Options#allowCut}
     */
    public record Options(String prefix, int batchRecords, Poison poison, Predicate<SQLException> passing, boolean allowCut) {
        /** Ends at a record that cannot be applied. */
        public static final Options DEFAULT = new Options("lockstep_", 500, JdbcApplier::stop, JdbcApplier::passing, false);
    }

    private static final int TRIES_MAX = 3;
    private static final long BACK_OFF_MIN_MS = 10;
    private static final long BACK_OFF_MAX_MS = 2000;
    private static final Set<String> GUARDED = Set.of("commit", "rollback", "close", "abort", "setAutoCommit", "setReadOnly",
        "setTransactionIsolation", "setSavepoint", "releaseSavepoint", "unwrap");

    private final DataSource database;
    private final Apply apply;
    private final Options options;
    private final BasisRow row;
    private final Fold fold;
    private long basis; // as it was when it was last moved or read; of the fold's thread
    private int troubled; // failures in a row
    private volatile boolean closing;

    /**
     * Makes its own tables where they are missing, reads the basis, and begins to apply what is behind it.
     *
     * @param producer to append with; it stays open
     * @param database that holds the tables; it stays open
     * @param topic to fold
     * @param partition of the topic
     * @param apply one record into the tables
     * @param options how it works
     * @throws SQLException if the database cannot be asked
     * @throws OtherTopicException if it holds what another topic of this name has told
     */
    public JdbcApplier(ConditionalProducer producer, DataSource database, String topic, int partition, Apply apply, Options options)
        throws SQLException {
        this.database = database;
        this.apply = apply;
        this.options = options;
        row = new BasisRow(options.prefix(), topic, partition, producer.topics().id(topic));
        try (Connection db = database.getConnection()) {
            basis = row.prepare(db);
        }
        fold = new Fold(producer, new TopicPartition(topic, partition), basis, this::take, options.allowCut(), false);
    }

    /** One transaction's records. */
    private record Step(long from, long to, List<ConsumerRecord<byte[], byte[]>> records) {
        Step before(int index) {
            List<ConsumerRecord<byte[], byte[]>> part = records.subList(0, Math.max(index, 1));
            return new Step(from, part.get(part.size() - 1).offset(), part);
        }
    }

    private interface Work {
        void run(Connection db) throws Exception;
    }

    /** apply's error for one record of a step. */
    private static final class RecordException extends Exception {
        private static final long serialVersionUID = 1;
        private final int index;

        RecordException(int index, Exception cause) {
            super(cause);
            this.index = index;
        }
    }

    // The fold's thread.

    private long take(List<ConsumerRecord<byte[], byte[]>> records, long to) {
        long began = basis;
        while (basis < to && basis >= began) { // set back: what it lacks has to be read again
            long from = basis;
            List<ConsumerRecord<byte[], byte[]>> left = records.stream().filter(r -> r.offset() > from).toList();
            Step step = new Step(from, to, left);
            bring(left.size() > options.batchRecords() ? step.before(options.batchRecords()) : step);
        }
        return basis;
    }

    /** Takes a step, or as much of it as it can be taken in one. */
    private void bring(Step step) {
        for (int tries = 1; basis == step.from(); tries++) {
            try {
                if (attempt(step, db -> applyAll(db, step))) {
                    basis = step.to();
                    troubled = 0;
                    return;
                }
            } catch (Exception e) {
                Exception cause = e instanceof RecordException r ? (Exception) r.getCause() : e;
                if (!passes(cause) && isolate(step, e, cause, tries >= TRIES_MAX)) {
                    return;
                }
                backOff(cause);
            }
            reload();
        }
    }

    /** Deals with a failure that does not pass; false: the step is to be tried again. */
    private boolean isolate(Step step, Exception e, Exception cause, boolean last) {
        if (step.records().size() > 1) { // those before the one to blame are brought by themselves
            bring(step.before(e instanceof RecordException r ? r.index : 0));
            return true;
        }
        if (step.records().isEmpty()) {
            throw new LockstepException("move the basis: " + cause, cause);
        }
        if (last) {
            poisoned(step, cause);
        }
        return last;
    }

    private boolean passes(Exception e) {
        return e instanceof SQLException s && options.passing().test(s);
    }

    /** One transaction: the row moves and work changes the tables, or nothing has happened. */
    private boolean attempt(Step step, Work work) throws Exception {
        try (Connection db = database.getConnection()) {
            db.setAutoCommit(false);
            boolean done = false;
            try {
                if (!row.advance(db, step.from(), step.to())) {
                    return false;
                }
                work.run(guarded(db));
                db.commit();
                done = true;
                return true;
            } finally {
                if (!done) {
                    db.rollback();
                }
                db.setAutoCommit(true);
            }
        }
    }

    private void applyAll(Connection db, Step step) throws RecordException {
        for (int i = 0; i < step.records().size(); i++) {
            try {
                apply.apply(db, step.records().get(i));
            } catch (SQLException | RuntimeException e) {
                throw new RecordException(i, e);
            }
        }
    }

    private void poisoned(Step step, Exception cause) {
        ConsumerRecord<byte[], byte[]> r = step.records().get(0);
        while (basis == step.from()) {
            try {
                if (attempt(step, db -> options.poison().decide(db, r, cause))) {
                    basis = step.to();
                    return;
                }
            } catch (Exception e) {
                if (e == cause || !passes(e)) {
                    throw new PoisonException(r, e);
                }
                backOff(e);
            }
            reload();
        }
    }

    /** Reads the row, for as long as it takes. */
    private void reload() {
        while (true) {
            try (Connection db = database.getConnection()) {
                basis = row.load(db);
                return;
            } catch (SQLException e) {
                backOff(e);
            }
        }
    }

    private void backOff(Exception why) {
        long ms = Math.min(BACK_OFF_MAX_MS, BACK_OFF_MIN_MS << Math.min(troubled++, 10));
        for (long slept = 0; slept < ms; slept += BACK_OFF_MIN_MS) {
            if (closing) {
                throw new ClosedException("the applier was closed", why);
            }
            pause(BACK_OFF_MIN_MS);
        }
    }

    private static void pause(long ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** A connection of which only the applier ends the transaction. */
    private static Connection guarded(Connection db) {
        return (Connection) Proxy.newProxyInstance(JdbcApplier.class.getClassLoader(), new Class<?>[] {Connection.class},
            (proxy, method, args) -> {
                if (GUARDED.contains(method.getName())) {
                    throw new SQLException(method.getName() + " is the applier's: it ends the transaction itself");
                }
                try {
                    return method.invoke(db, args);
                } catch (InvocationTargetException e) {
                    throw e.getCause();
                }
            });
    }

    // Calls.

    /**
     * Calls fn with a snapshot of the tables and its basis. What this applier has appended is in it.
     *
     * @param <T> what fn makes of it
     * @param timeout after which it is InterruptedAppendException; null: never
     * @param fn only reads
     * @return what fn returns
     * @throws SQLException if the database refuses
     */
    public <T> T read(Duration timeout, Look<T> fn) throws SQLException {
        Deadline deadline = new Deadline(timeout);
        fold.await(deadline);
        return look(deadline, fn);
    }

    /** Reads the basis first: even where a snapshot is none, the tables are then no older, and the worst is a refusal too many. */
    private <T> T look(Deadline deadline, Look<T> fn) throws SQLException {
        for (long wait = BACK_OFF_MIN_MS;; wait = Math.min(2 * wait, BACK_OFF_MAX_MS)) {
            try (Connection db = database.getConnection()) {
                if (db.getMetaData().getDatabaseProductName().equals("PostgreSQL")) {
                    db.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
                }
                db.setAutoCommit(false);
                try {
                    return fn.look(db, row.load(db));
                } finally {
                    db.rollback();
                    db.setAutoCommit(true);
                }
            } catch (SQLException e) {
                if (!options.passing().test(e)) {
                    throw e;
                }
                deadline.check();
                pause(wait);
            }
        }
    }

    /**
     * Runs fn on a snapshot of the tables and appends what it decided, again and again as {@link View#update}. Name an append that
     * must not be made twice by {@link Tx#id}: a process that was killed may have made it.
     *
     * @param timeout after which it is InterruptedAppendException, or UnknownResultException if it was sent; null: never
     * @param fn decides, and only reads
     * @return where it is; null if nothing was to be appended
     * @throws SQLException if the database refuses
     */
    public Result update(Duration timeout, Decide fn) throws SQLException {
        Deadline deadline = new Deadline(timeout);
        try {
            return fold.update(() -> decide(deadline, fn), deadline);
        } catch (UncheckedSql e) {
            throw e.told;
        }
    }

    private Tx decide(Deadline deadline, Decide fn) {
        try {
            return look(deadline, (db, at) -> {
                Tx tx = new Tx(at);
                fn.decide(tx, db);
                return tx;
            });
        } catch (SQLException e) {
            throw new UncheckedSql(e);
        }
    }

    private static final class UncheckedSql extends RuntimeException {
        private static final long serialVersionUID = 1;
        private final SQLException told;

        UncheckedSql(SQLException told) {
            super(told);
            this.told = told;
        }
    }

    /**
     * For an application's own metrics.
     *
     * @return what update has come to
     */
    public Counts counts() {
        return fold.counts();
    }

    /** Ends the applier; a transaction that is under way is rolled back. Calls under way and later ones throw ClosedException. */
    @Override
    public void close() {
        closing = true;
        fold.close();
    }

    /**
     * A policy: ends the applier. Its basis stays before the record, until a program that can apply it is started.
     *
     * @param db not used
     * @param record that cannot be applied
     * @param cause is thrown
     * @throws Exception cause
     */
    public static void stop(Connection db, ConsumerRecord<byte[], byte[]> record, Exception cause) throws Exception {
        throw cause;
    }

    /**
     * A policy: skips a record that cannot be applied and keeps it, with the reason, in the table lockstep_poison.
     *
     * @param prefix of Options
     * @return the policy
     */
    public static Poison quarantine(String prefix) {
        return (db, r, cause) -> {
            String insert = "INSERT INTO " + prefix
                + "poison (topic, part, log_offset, record_key, record_value, reason) VALUES (?, ?, ?, ?, ?, ?)";
            try (PreparedStatement s = db.prepareStatement(insert)) {
                s.setString(1, r.topic());
                s.setInt(2, r.partition());
                s.setLong(3, r.offset());
                s.setBytes(4, r.key());
                s.setBytes(5, r.value());
                s.setString(6, String.valueOf(cause));
                s.executeUpdate();
            }
        };
    }

    /**
     * Whether an error is one of the moment, not of the statement: a connection that broke, a transaction that lost against another, a
     * database that is starting, stopping, full or busy.
     *
     * @param e the error
     * @return whether to try again
     */
    public static boolean passing(SQLException e) {
        if (e instanceof SQLTransientException || e instanceof SQLRecoverableException) {
            return true;
        }
        String state = e.getSQLState();
        if (state != null && state.length() == 5) {
            return Set.of("08", "40", "53", "55", "57", "58").contains(state.substring(0, 2)) || state.equals("25006");
        }
        return Set.of(5, 6, 9, 10, 13, 14).contains(e.getErrorCode() & 0xff); // SQLite: BUSY, LOCKED, INTERRUPT, IOERR, FULL, CANTOPEN
    }
}
