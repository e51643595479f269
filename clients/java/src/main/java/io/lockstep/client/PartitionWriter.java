package io.lockstep.client;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.function.Supplier;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.InterruptException;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * One partition's appends: a KafkaProducer, and one batch in flight. Whoever hands over an append while nobody sends is the
 * sender, until his own is done; then a thread goes on with what has gathered.
 *
 * <p>The producer lingers for longer than anybody waits, so that a batch is what flush finds: it is not sent before, and an
 * append is never cut in two.
 */
final class PartitionWriter {
    static final int BATCH_BYTES = 900_000;
    private static final int BUFFERED_MAX = 10_000;
    private static final Map<String, Object> OURS = Map.of(
        "acks", "all",
        "enable.idempotence", true,
        "linger.ms", 1_000_000_000,
        "batch.size", 1_000_000,
        "max.request.size", 100_000_000,
        "delivery.timeout.ms", Integer.MAX_VALUE,
        "max.block.ms", 60_000);

    private final String topic;
    private final int partition;
    private final int bytesMax;
    private final Executor executor;
    private final KafkaProducer<byte[], byte[]> producer;

    // All below is guarded by this.
    private final Deque<Pending> queue = new ArrayDeque<>();
    private boolean sending;
    private boolean closed;
    private int most = BUFFERED_MAX; // appends of a batch: fewer where they are refused

    PartitionWriter(Map<String, Object> config, String topic, int partition, int bytesMax, Executor executor) {
        this.topic = topic;
        this.partition = partition;
        this.bytesMax = Math.min(BATCH_BYTES, bytesMax);
        this.executor = executor;
        Map<String, Object> settings = new java.util.HashMap<>(config);
        settings.putAll(OURS);
        producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    }

    /** Hands over an append and sends it in this thread, if nobody else sends. */
    void append(Pending p) {
        if (!enqueue(p)) {
            return;
        }
        boolean mine = true; // nobody else sends
        while (mine && !p.future.isDone()) {
            mine = turn();
        }
        if (mine) {
            handOver();
        }
    }

    /** Hands over an append for another thread to send. */
    void appendAsync(Pending p) {
        if (enqueue(p)) {
            executor.execute(this::turns);
        }
    }

    private void turns() {
        while (turn()) {
            // until nothing waits
        }
    }

    /** Whether the caller is to send. */
    private synchronized boolean enqueue(Pending p) {
        if (p.records.size() > 1 && p.size > bytesMax) {
            throw new IllegalArgumentException("an append of several records and " + p.size + " bytes: one batch takes " + bytesMax);
        }
        boolean interrupted = false;
        while (queue.size() >= BUFFERED_MAX && !closed) {
            try {
                wait();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        if (closed) {
            throw new ClosedException("the producer was closed", null);
        }
        queue.add(p);
        boolean first = !sending;
        sending = true;
        return first;
    }

    /** Gives what still waits to a thread. */
    private synchronized void handOver() {
        sending = !queue.isEmpty();
        if (sending) {
            executor.execute(this::turns);
        }
    }

    /** Sends what waits; false: nothing did, and nobody sends any more. */
    private boolean turn() {
        List<Pending> batch = gather();
        if (batch.isEmpty()) {
            return false;
        }
        Deque<List<Pending>> work = new ArrayDeque<>(List.of(batch));
        while (!work.isEmpty()) {
            List<List<Pending>> again = send(work.pop());
            for (int i = again.size() - 1; i >= 0; i--) {
                work.push(again.get(i));
            }
        }
        return true;
    }

    private synchronized List<Pending> gather() {
        List<Pending> batch = new ArrayList<>();
        Set<String> marks = new HashSet<>();
        int size = 0;
        while (!queue.isEmpty() && batch.size() < most && goesWith(batch, queue.peek(), size, marks)) {
            Pending p = queue.poll();
            if (p.begin()) {
                batch.add(p);
                size += p.size;
                marks.addAll(p.marks);
            }
        }
        sending = !batch.isEmpty();
        notifyAll();
        return batch;
    }

    /** An append that could be a repeat has a batch of its own, and what is certain to be refused beside another waits. */
    private boolean goesWith(List<Pending> batch, Pending p, int size, Set<String> marks) {
        if (batch.isEmpty()) {
            return true;
        }
        if (p.repeatable || batch.get(0).repeatable || size + p.size > bytesMax || p.judged.contains("*")) {
            return false;
        }
        return java.util.Collections.disjoint(marks, p.judged);
    }

    /** Sends one batch and waits for its outcome. It returns what has to be sent again, as if it had been alone. */
    private List<List<Pending>> send(List<Pending> batch) {
        try {
            int partitions = uninterrupted(() -> producer.partitionsFor(topic).size());
            if (partition >= partitions) {
                return fail(batch, new AppendFailedException(topic + " has no partition " + partition, null));
            }
        } catch (KafkaException e) {
            return fail(batch, new AppendFailedException("nothing of the append is in the log: " + e.getMessage(), e));
        } catch (IllegalStateException e) {
            return fail(batch, new ClosedException("the producer was closed", e));
        }
        try {
            for (Pending p : batch) {
                p.forget();
                for (int i = 0; i < p.records.size(); i++) {
                    ProducerRecord<byte[], byte[]> record = recordOf(p, i);
                    uninterrupted(() -> producer.send(record, p::reported));
                }
            }
            uninterrupted(() -> {
                producer.flush();
                return null;
            });
        } catch (IllegalStateException e) {
            return fail(batch, new UnknownResultException("the producer was closed; the append may or may not be in the log", e));
        }
        return settle(batch);
    }

    private ProducerRecord<byte[], byte[]> recordOf(Pending p, int index) {
        NewRecord r = p.records.get(index);
        return new ProducerRecord<>(topic, partition, r.timestamp(), r.key(), r.value(), p.headersOf(index));
    }

    /** Whoever sends does it for others as well: an interrupt of his waits until it is done. */
    private static <T> T uninterrupted(Supplier<T> call) {
        boolean interrupted = Thread.interrupted();
        try {
            while (true) {
                try {
                    return call.get();
                } catch (InterruptException e) {
                    interrupted = true;
                    Thread.interrupted();
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private static List<List<Pending>> fail(List<Pending> batch, LockstepException why) {
        batch.forEach(p -> p.future.completeExceptionally(why));
        return List.of();
    }

    /**
     * The broker names one offender, the first. What lies before it would have been admitted, and goes again as one batch; what
     * lies behind it was not looked at.
     */
    private List<List<Pending>> settle(List<Pending> batch) {
        List<Pending> before = new ArrayList<>();
        List<Pending> behind = new ArrayList<>();
        boolean found = false;
        int first = 0;
        for (Pending p : batch) {
            switch (p.settle()) {
                case SETTLED -> { }
                case OFFENDER -> {
                    if (found) {
                        behind.add(p); // the whole batch has one error: of whom, nobody says
                    } else {
                        found = true;
                        blame(p, first, batch.size() == 1 || p.isNamed(), behind);
                    }
                }
                case BYSTANDER -> (found ? behind : before).add(p);
            }
            first += p.records.size();
        }
        learn(batch.size(), found);
        return split(before, behind);
    }

    private static void blame(Pending p, int first, boolean certain, List<Pending> behind) {
        if (certain) {
            p.refuse(first);
        } else {
            behind.add(p);
        }
    }

    private synchronized void learn(int size, boolean refused) {
        most = refused ? Math.max(1, size / 2) : Math.min(BUFFERED_MAX, most * 2);
    }

    private static List<List<Pending>> split(List<Pending> before, List<Pending> behind) {
        List<List<Pending>> again = new ArrayList<>();
        int half = (behind.size() + 1) / 2;
        for (List<Pending> part : List.of(before, behind.subList(0, half), behind.subList(half, behind.size()))) {
            if (!part.isEmpty()) {
                again.add(part);
            }
        }
        return again;
    }

    void close() {
        List<Pending> left;
        synchronized (this) {
            closed = true;
            left = new ArrayList<>(queue);
            queue.clear();
            notifyAll();
        }
        for (Pending p : left) {
            p.cancel(new ClosedException("the producer was closed", null));
        }
        producer.close(java.time.Duration.ZERO); // what is in flight is failed, and its outcome unknown
    }
}
