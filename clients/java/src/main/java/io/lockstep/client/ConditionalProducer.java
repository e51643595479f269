package io.lockstep.client;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.TopicPartition;

/**
 * Appends to partitions on condition, each append with one definite outcome and a verdict of its own. Any number of threads may
 * use it.
 *
 * <p>KafkaProducer cannot ask the broker for a verdict per append, and a refused batch leaves no trace. So appends go in
 * optimistic batches; the broker names the first offender of a refused one, which gets its refusal, and the innocent are sent
 * again at once. Each append has a lock-id, so that an answer that was lost does no harm.
 *
 * <p>Each partition that is written to has a KafkaProducer of its own.
 */
public final class ConditionalProducer implements AutoCloseable {
    private final Map<String, Object> config;
    private final Topics topics;
    private final ExecutorService executor;
    private final String name = UUID.randomUUID().toString().replace("-", "");
    private final AtomicLong numbers = new AtomicLong();
    private final Map<TopicPartition, PartitionWriter> writers = new HashMap<>(); // guarded by itself
    private boolean closed; // guarded by writers

    /**
     * Asks a broker whether it judges lock requests.
     *
     * @param config of kafka-clients: bootstrap.servers, and what security asks for. Settings of batches and of acks are the
     *     producer's own
     * @throws UnsupportedException if the brokers are not Lockstep
     */
    public ConditionalProducer(Map<String, Object> config) {
        this.config = Map.copyOf(config);
        topics = new Topics(this.config);
        executor = Executors.newCachedThreadPool(task -> {
            Thread t = new Thread(task, "lockstep-append");
            t.setDaemon(true);
            return t;
        });
        try {
            topics.checkFeature();
        } catch (LockstepException e) {
            topics.close();
            throw e;
        }
    }

    Map<String, Object> config() {
        return config;
    }

    Topics topics() {
        return topics;
    }

    /**
     * Appends records to a partition as one: all of them, side by side, if the condition holds, or none. It returns when the
     * outcome is known.
     *
     * @param topic to append to
     * @param partition of the topic
     * @param cond the condition
     * @param records one at least
     * @return where they are
     * @throws RefusedException they were refused; nothing of them is in the log
     * @throws AppendFailedException nothing of them is in the log, for a reason that is no lock's
     * @throws UnknownResultException the thread was interrupted, or the producer closed, after they were sent. Appending again
     *     with the same {@link Cond#id} tells the truth
     */
    public Result append(String topic, int partition, Cond cond, NewRecord... records) {
        Pending p = prepare(topic, cond, List.of(records), false);
        writer(topic, partition).append(p);
        return await(p, null);
    }

    /**
     * Append for a caller who will wait for so long.
     *
     * @param timeout after which it is InterruptedAppendException, or UnknownResultException if they were sent
     * @param topic to append to
     * @param partition of the topic
     * @param cond the condition
     * @param records one at least
     * @return where they are
     */
    public Result append(Duration timeout, String topic, int partition, Cond cond, NewRecord... records) {
        Pending p = prepare(topic, cond, List.of(records), false);
        writer(topic, partition).appendAsync(p);
        return await(p, timeout);
    }

    /**
     * Append for who has many under way at once.
     *
     * @param topic to append to
     * @param partition of the topic
     * @param cond the condition
     * @param records one at least
     * @return what append returns or throws
     */
    public CompletableFuture<Result> appendAsync(String topic, int partition, Cond cond, NewRecord... records) {
        Pending p = prepare(topic, cond, List.of(records), false);
        writer(topic, partition).appendAsync(p);
        return p.future;
    }

    /** ownId: the condition's id was made up, and was not used before. timeout may be null. */
    Result append(String topic, int partition, Cond cond, List<NewRecord> records, boolean ownId, Duration timeout) {
        Pending p = prepare(topic, cond, records, ownId);
        PartitionWriter w = writer(topic, partition);
        if (timeout == null) {
            w.append(p);
        } else {
            w.appendAsync(p);
        }
        return await(p, timeout);
    }

    /** The broker gives a topic's records their time. */
    boolean stamps(String topic) {
        return topics.settings(topic).stamps();
    }

    private Pending prepare(String topic, Cond cond, List<NewRecord> records, boolean ownId) {
        if (records.isEmpty()) {
            throw new IllegalArgumentException("an append has at least one record");
        }
        check(topics.settings(topic).policy(), cond, records.size());
        boolean repeatable = !cond.id().isEmpty() && !ownId;
        Cond named = cond.id().isEmpty() ? cond.withId(name + "-" + numbers.incrementAndGet()) : cond;
        return new Pending(named, records, repeatable);
    }

    /** What the broker would find if it were asked for a verdict, and if the library did not add a lock-id. */
    private static void check(String policy, Cond cond, int records) {
        String mistake = "";
        if (policy.equals("carry") && !cond.locks().isEmpty()) {
            mistake = "conflict.policy=carry: locks are not judged here";
        } else if (policy.equals("required") && cond.locks().isEmpty() && cond.id().isEmpty() && records == 1) {
            mistake = "the record has no lock headers, and this topic has conflict.policy=required";
        }
        if (!mistake.isEmpty()) {
            throw RefusedException.of(Refusal.parse("MALFORMED record=0: " + mistake).orElseThrow(), null);
        }
    }

    private PartitionWriter writer(String topic, int partition) {
        TopicPartition at = new TopicPartition(topic, partition);
        synchronized (writers) {
            if (closed) {
                throw new ClosedException("the producer was closed", null);
            }
            PartitionWriter w = writers.get(at);
            if (w == null) {
                int bytesMax = topics.settings(topic).messageBytesMax() * 9 / 10;
                w = new PartitionWriter(config, topic, partition, bytesMax, executor);
                writers.put(at, w);
            }
            return w;
        }
    }

    private static Result await(Pending p, Duration timeout) {
        try {
            return timeout == null ? p.future.get() : p.future.get(timeout.toNanos(), TimeUnit.NANOSECONDS);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof LockstepException told) {
                told.addSuppressed(new Throwable("where it was awaited"));
                throw told;
            }
            throw new AppendFailedException("append: " + e.getCause(), e.getCause());
        } catch (TimeoutException e) {
            return late(p, "time was up", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return late(p, "interrupted", e);
        }
    }

    private static Result late(Pending p, String why, Exception cause) {
        InterruptedAppendException unsent = new InterruptedAppendException(why + " before the append was sent", cause);
        if (p.cancel(unsent)) {
            throw unsent;
        }
        throw new UnknownResultException(why + "; the append may or may not be in the log", cause);
    }

    /** Ends the producer. Appends that have not got their outcome end with ClosedException, or UnknownResultException if sent. */
    @Override
    public void close() {
        List<PartitionWriter> all;
        synchronized (writers) {
            closed = true;
            all = List.copyOf(writers.values());
        }
        all.forEach(PartitionWriter::close);
        executor.shutdown();
        topics.close();
    }
}
