package io.lockstep.client;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Reads one partition from an offset on, without a group. One thread uses it, but for wake. */
final class Feed implements AutoCloseable {
    private static final Map<String, Object> OURS = Map.of(
        "enable.auto.commit", false,
        "auto.offset.reset", "none", // a position that the log does not hold is an error, and begun anew nowhere else
        "isolation.level", "read_committed",
        "max.poll.records", 1000);

    private final TopicPartition at;
    private final KafkaConsumer<byte[], byte[]> consumer;

    Feed(Map<String, Object> config, TopicPartition at) {
        this.at = at;
        Map<String, Object> settings = new HashMap<>(config);
        settings.putAll(OURS);
        settings.remove("group.id");
        consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** Where the log begins, and where what is committed ends; null: nobody can say now. */
    long[] bounds() {
        try {
            return new long[] {consumer.beginningOffsets(List.of(at), Duration.ofSeconds(5)).get(at),
                consumer.endOffsets(List.of(at), Duration.ofSeconds(5)).get(at)};
        } catch (RetriableException e) {
            return null;
        }
    }

    void begin(long offset) {
        consumer.assign(List.of(at));
        consumer.seek(at, offset);
    }

    /** What has come. */
    List<ConsumerRecord<byte[], byte[]>> read(Duration most) {
        try {
            return consumer.poll(most).records(at);
        } catch (OffsetOutOfRangeException e) {
            throw new LogCutException(at + " does not hold what comes next any more: " + e.getMessage(), e);
        }
    }

    /** The next offset to read, which may lie behind offsets without a record. */
    long next() {
        return consumer.position(at, Duration.ofSeconds(5));
    }

    void wake() {
        consumer.wakeup();
    }

    @Override
    public void close() {
        consumer.close();
    }
}
