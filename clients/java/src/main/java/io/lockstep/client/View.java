package io.lockstep.client;

import java.time.Duration;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.function.BiFunction;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;

/**
 * Folds one partition into a state in memory and runs the loop of optimistic writers: read the state, decide, append on condition,
 * and if somebody was faster, read on and decide again. Any number of threads may use it.
 *
 * <p>The fold's function is called for each record, in order, never by two threads at once and never while a function given to
 * update or read runs. It returns the state behind the record, which may be the one that it was given, changed. Functions share the
 * state with the view: they may read it until they return, and must not change or keep it.
 *
 * @param <S> the state
 */
public final class View<S> implements AutoCloseable {
    /**
     * How a view begins.
     *
     * @param basis makes init the state after the record at basis, as read has told them together; {@link Lock#NONE}: the
     *     partition's start
     * @param allowCut lets a view without a state begin where the log does, though records from before that were removed: for states
     *     to which only the newest records matter, and never for a ledger
     * @param poison called when the fold's function throws: returning goes on behind the record, with the state as it was before;
     *     throwing ends the view. null ends it
     */
    public record Options(long basis, boolean allowCut, BiConsumer<ConsumerRecord<byte[], byte[]>, RuntimeException> poison) {
        /** From the partition's start, which must be there. */
        public static final Options DEFAULT = new Options(Lock.NONE, false, null);
    }

    private final BiFunction<S, ConsumerRecord<byte[], byte[]>, S> apply;
    private final Options options;
    private final Fold fold;
    private S state; // guarded by this
    private long basis; // guarded by this

    /**
     * Begins to fold a partition. It returns at once; the first update or read waits until the view has read what was committed
     * when it began.
     *
     * @param producer to append with; it stays open
     * @param topic to fold
     * @param partition of the topic
     * @param init the state before the first record
     * @param apply the state behind a record
     * @param options how it begins
     */
    public View(ConditionalProducer producer, String topic, int partition, S init,
        BiFunction<S, ConsumerRecord<byte[], byte[]>, S> apply, Options options) {
        this.apply = apply;
        this.options = options;
        state = init;
        basis = options.basis();
        fold = new Fold(producer, new TopicPartition(topic, partition), options.basis(), this::take, options.allowCut(), true);
    }

    /**
     * Begins to fold a partition from its start.
     *
     * @param producer to append with; it stays open
     * @param topic to fold
     * @param partition of the topic
     * @param init the state before the first record
     * @param apply the state behind a record
     */
    public View(ConditionalProducer producer, String topic, int partition, S init,
        BiFunction<S, ConsumerRecord<byte[], byte[]>, S> apply) {
        this(producer, topic, partition, init, apply, Options.DEFAULT);
    }

    private synchronized long take(List<ConsumerRecord<byte[], byte[]>> records, long to) {
        for (ConsumerRecord<byte[], byte[]> r : records) {
            try {
                state = apply.apply(state, r);
            } catch (RuntimeException e) {
                if (options.poison() == null) {
                    throw new LockstepException("the record at offset " + r.offset() + " cannot be applied: " + e, e);
                }
                options.poison().accept(r, e);
            }
            basis = r.offset();
        }
        basis = to;
        return to;
    }

    /**
     * Calls fn with the state and its basis. What this view has appended is in it. State and basis together are a snapshot, from
     * which {@link Options#basis} goes on.
     *
     * @param <T> what fn makes of it
     * @param fn looks at the state
     * @return what fn returns
     * @throws LogCutException records that the state would need were removed
     */
    public <T> T read(BiFunction<S, Long, T> fn) {
        return read(null, fn);
    }

    /**
     * Read for a caller who will wait for so long.
     *
     * @param <T> what fn makes of it
     * @param timeout after which it is InterruptedAppendException; null: never
     * @param fn looks at the state
     * @return what fn returns
     */
    public <T> T read(Duration timeout, BiFunction<S, Long, T> fn) {
        fold.await(new Deadline(timeout));
        synchronized (this) {
            return fn.apply(state, basis);
        }
    }

    /**
     * Runs fn on the state and appends what it decided; if somebody was faster, waits for that and has fn decide again, until the
     * append is in, or fn throws. fn may be called many times, must not call update or read of its own view, and must not keep the
     * state. A run that appends no record ends update with null.
     *
     * @param fn decides
     * @return where it is
     * @throws UnknownResultException the append may be in: if fn named it by {@link Tx#id}, ConditionalProducer.append with that
     *     id tells
     */
    public Result update(BiConsumer<Tx, S> fn) {
        return update(null, fn);
    }

    /**
     * Update for a caller who will wait for so long.
     *
     * @param timeout after which it is InterruptedAppendException, or UnknownResultException if it was sent; null: never
     * @param fn decides
     * @return where it is
     */
    public Result update(Duration timeout, BiConsumer<Tx, S> fn) {
        return fold.update(() -> decide(fn), new Deadline(timeout));
    }

    private synchronized Tx decide(BiConsumer<Tx, S> fn) {
        Tx tx = new Tx(basis);
        fn.accept(tx, state);
        return tx;
    }

    /**
     * For an application's own metrics.
     *
     * @return what update has come to
     */
    public Counts counts() {
        return fold.counts();
    }

    /** Ends the view. Calls under way and later ones throw ClosedException. The producer stays open. */
    @Override
    public void close() {
        fold.close();
    }
}
