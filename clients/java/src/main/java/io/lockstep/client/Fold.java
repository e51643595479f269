package io.lockstep.client;

import java.time.Duration;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;

/**
 * Drives a state that is kept elsewhere: View keeps one in memory, JdbcApplier in a database.
 *
 * <pre>
 * feed ─► apply ─► applied ─► await, update ─► append
 *                     ▲                          │ refused: await what refused it
 *                     └──────────────────────────┘
 * </pre>
 *
 * Writers of one fold that are refused over one lock take turns; writers of several find their turn in the log.
 */
final class Fold implements AutoCloseable {
    /**
     * Brings a state to an offset: the records of the partition behind the offset that it returned before, of which there are no
     * others up to to. It returns the offset up to which the state is now. An exception ends the fold.
     */
    interface Apply {
        long apply(List<ConsumerRecord<byte[], byte[]>> records, long to);
    }

    private static final Duration POLL = Duration.ofMillis(500);
    private static final long UNKNOWN = Long.MIN_VALUE;

    final ConditionalProducer producer;
    final TopicPartition at;
    private final Apply apply;
    private final boolean allowCut;
    private final boolean appliesOwn;
    private final Feed feed;
    private final Thread thread;
    private final ReentrantLock applying = new ReentrantLock(); // held while apply runs

    final ReentrantLock lock = new ReentrantLock(); // guards all below
    final Condition moved = lock.newCondition();
    final Turns turns = new Turns();
    final Map<String, Deque<Object>> queues = new HashMap<>(); // this fold's own writers, by lock
    private volatile long applied;
    private long begin = UNKNOWN; // the last offset that was committed when the fold began
    private long written = Lock.NONE; // the last that this fold has appended
    private long committed; // when written was; 0: the feed has shown it
    private RuntimeException ended;
    private volatile boolean stopped;
    private long ids;
    private long decisions;
    private long commits;
    private long refusals;

    Fold(ConditionalProducer producer, TopicPartition at, long basis, Apply apply, boolean allowCut, boolean appliesOwn) {
        this.producer = producer;
        this.at = at;
        this.apply = apply;
        this.allowCut = allowCut;
        this.appliesOwn = appliesOwn;
        applied = basis;
        feed = new Feed(producer.config(), at);
        thread = new Thread(this::run, "lockstep-fold-" + at);
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public void close() {
        stopped = true;
        end(new ClosedException("the view was closed", null));
        feed.wake();
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    Counts counts() {
        return locked(() -> new Counts(decisions, commits, refusals));
    }

    <T> T locked(Supplier<T> what) {
        lock.lock();
        try {
            return what.get();
        } finally {
            lock.unlock();
        }
    }

    // The feed's thread.

    private void run() {
        try (feed) {
            start();
            while (!stopped) {
                List<ConsumerRecord<byte[], byte[]>> records = feed.read(POLL);
                take(records, feed.next() - 1);
            }
        } catch (WakeupException e) {
            end(new ClosedException("the view was closed", e));
        } catch (RuntimeException e) {
            end(e instanceof LockstepException ? e : new LockstepException("the view of " + at + " has ended: " + e, e));
        }
    }

    private void start() {
        long[] bounds = null;
        while (bounds == null) {
            bounds = feed.bounds();
            if (stopped) {
                throw new ClosedException("the view was closed", null);
            }
        }
        long low = bounds[0];
        if (applied != Lock.NONE && low > applied + 1) {
            throw new LogCutException(at + " starts at offset " + low + ", and the state reaches to " + applied
                + "; it has to be made anew", null);
        }
        if (applied == Lock.NONE && low > 0) {
            if (!allowCut) {
                throw new LogCutException(at + " starts at offset " + low + "; begin from a snapshot, or allowCut if what is left "
                    + "is all that matters (a topic with retention.ms=-1 keeps its records)", null);
            }
            bring(List.of(), low - 1);
        }
        long last = bounds[1] - 1;
        locked(() -> {
            begin = last;
            moved.signalAll();
            return null;
        });
        feed.begin(applied + 1);
    }

    private void take(List<ConsumerRecord<byte[], byte[]>> records, long to) {
        applying.lock();
        try {
            noteHeard(to);
            if (to <= applied) {
                return; // the fold's own, which came sooner
            }
            long from = applied;
            bring(records.stream().filter(r -> r.offset() > from).toList(), to);
            if (applied != to) {
                feed.begin(applied + 1); // others move the state as well
            }
        } finally {
            applying.unlock();
        }
    }

    private void noteHeard(long to) {
        locked(() -> {
            if (committed != 0 && to >= written) {
                turns.heard(System.nanoTime() - committed);
                committed = 0;
            }
            return null;
        });
    }

    private void bring(List<ConsumerRecord<byte[], byte[]>> records, long to) {
        long now = apply.apply(records, to);
        locked(() -> {
            turns.see(records, System.nanoTime());
            applied = now;
            moved.signalAll();
            return null;
        });
    }

    private void end(RuntimeException why) {
        locked(() -> {
            if (ended == null) {
                ended = why;
            }
            moved.signalAll();
            return null;
        });
    }

    // Calls.

    /** Waits until all is applied that was committed when the fold began, and all that it has appended. */
    void await(Deadline deadline) {
        lock.lock();
        try {
            caughtUp(written, deadline);
        } finally {
            lock.unlock();
        }
    }

    /** Waits until the state reaches to an offset. The lock is held. */
    void caughtUp(long offset, Deadline deadline) {
        while (true) {
            checkEnded();
            if (begin != UNKNOWN && applied >= Math.max(offset, begin)) {
                return;
            }
            pause(Long.MAX_VALUE, deadline);
        }
    }

    void checkEnded() {
        if (ended instanceof LogCutException) {
            throw new LogCutException(ended.getMessage(), ended);
        }
        if (ended instanceof ClosedException) {
            throw new ClosedException(ended.getMessage(), ended);
        }
        if (ended != null) {
            throw ended;
        }
    }

    /** Waits for something to move, for so long at the most. The lock is held. */
    void pause(long ns, Deadline deadline) {
        deadline.check();
        try {
            moved.await(deadline.bound(ns), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedAppendException("interrupted; nothing of the decision is in the log", e);
        }
    }

    void noteDecision() {
        locked(() -> decisions++);
    }

    void noteRefusal() {
        locked(() -> refusals++);
    }

    Result append(Tx tx, String queued, Deadline deadline) {
        String id = tx.id().isEmpty() ? locked(() -> turns.newId(++ids, turns.more(tx.marks(), queued))) : tx.id();
        long time = System.currentTimeMillis();
        List<NewRecord> records = appliesOwn ? tx.records().stream().map(r -> r.at(time)).toList() : tx.records();
        Cond cond = new Cond(id, tx.basis(), tx.locks());
        long began = System.nanoTime();
        Result result;
        try {
            result = producer.append(at.topic(), at.partition(), cond, records, tx.id().isEmpty(), deadline.left());
        } finally {
            long took = System.nanoTime() - began;
            locked(() -> {
                turns.took(took);
                return null;
            });
        }
        locked(() -> {
            written = Math.max(written, result.last());
            committed = System.nanoTime();
            return commits++;
        });
        if (appliesOwn && tx.id().isEmpty() && !producer.stamps(at.topic())) {
            applyOwn(new Pending(cond, records, false), result);
        }
        locked(() -> {
            turns.done(tx.marks(), System.nanoTime());
            return null;
        });
        return result;
    }

    /** An append that lies right behind what is applied is applied as it was sent: it need not be read. */
    private void applyOwn(Pending p, Result result) {
        if (!applying.tryLock()) {
            return; // the feed is at work: it has more to tell than this
        }
        try {
            if (applied + 1 == result.offset() && !stopped) {
                bring(asRead(p, result), result.last());
            }
        } catch (RuntimeException e) {
            end(e instanceof LockstepException ? e : new LockstepException("the view of " + at + " has ended: " + e, e));
        } finally {
            applying.unlock();
        }
    }

    private List<ConsumerRecord<byte[], byte[]>> asRead(Pending p, Result result) {
        List<ConsumerRecord<byte[], byte[]>> read = new java.util.ArrayList<>();
        for (int i = 0; i < p.records.size(); i++) {
            NewRecord r = p.records.get(i);
            read.add(new ConsumerRecord<>(at.topic(), at.partition(), result.offset() + i, r.timestamp(), TimestampType.CREATE_TIME,
                r.key() == null ? -1 : r.key().length, r.value() == null ? -1 : r.value().length, r.key(), r.value(),
                new RecordHeaders(p.headersOf(i)), java.util.Optional.empty()));
        }
        return read;
    }

    /** Has decide look at the state, tell its basis and decide, and appends what it decided, again and again; null: nothing. */
    Result update(Supplier<Tx> decide, Deadline deadline) {
        try (Update u = new Update(this, decide, deadline)) {
            return u.run();
        }
    }
}
