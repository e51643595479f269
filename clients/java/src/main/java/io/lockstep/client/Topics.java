package io.lockstep.client;

import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.errors.TimeoutException;

/** What brokers are asked: whether they judge locks at all, a topic's settings, its id, a partition's end. */
final class Topics implements AutoCloseable {
    private static final long POLICY_NANOS = Duration.ofSeconds(30).toNanos();
    private static final long ASK_NANOS = Duration.ofSeconds(10).toNanos();

    /** What is known of a topic, and when it was asked. */
    record Settings(String policy, int messageBytesMax, boolean stamps, long asked) {}

    private interface Call<T> {
        T get() throws ExecutionException, InterruptedException;
    }

    private final Admin admin;
    private final Map<String, Settings> known = new ConcurrentHashMap<>();

    Topics(Map<String, Object> config) {
        admin = Admin.create(config);
    }

    /** UnsupportedException if the brokers do not list the feature conflict.version. */
    void checkFeature() {
        var feature = ask("the broker's features", () -> admin.describeFeatures().featureMetadata().get())
            .supportedFeatures().get("conflict.version");
        if (feature == null || feature.minVersion() > 1 || feature.maxVersion() < 1) {
            throw new UnsupportedException("the broker does not judge lock requests (feature conflict.version 1)", null);
        }
    }

    /** A topic's settings, as of half a minute ago at the most, or as they were when a broker could be reached last. */
    Settings settings(String topic) {
        Settings s = known.get(topic);
        if (s != null && System.nanoTime() - s.asked < POLICY_NANOS) {
            return s;
        }
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        try {
            Call<Config> call = () -> admin.describeConfigs(List.of(resource)).all().get().get(resource);
            Config config = s == null ? ask("the settings of " + topic, call) : call.get();
            s = new Settings(value(config, "conflict.policy", "off"),
                Integer.parseInt(value(config, "max.message.bytes", "1000000")),
                value(config, "message.timestamp.type", "").equals("LogAppendTime"), System.nanoTime());
            known.put(topic, s);
        } catch (ExecutionException e) {
            // no broker can be reached: the one that is will judge
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        return s;
    }

    private static String value(Config config, String name, String absent) {
        var entry = config.get(name);
        return entry == null || entry.value() == null ? absent : entry.value();
    }

    /** The id that a topic was given when it was created, in hex. */
    String id(String topic) {
        Uuid id = ask("the id of " + topic,
            () -> admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).topicId());
        ByteBuffer bytes = ByteBuffer.allocate(16).putLong(id.getMostSignificantBits()).putLong(id.getLeastSignificantBits());
        return HexFormat.of().formatHex(bytes.array());
    }

    /** The last offset that is committed now. */
    long end(TopicPartition at) {
        return ask("the end of " + at, () -> admin.listOffsets(Map.of(at, OffsetSpec.latest())).partitionResult(at).get())
            .offset() - 1;
    }

    /** Asks again for some seconds while it may pass. */
    private static <T> T ask(String what, Call<T> call) {
        long until = System.nanoTime() + ASK_NANOS;
        while (true) {
            try {
                return call.get();
            } catch (ExecutionException e) {
                boolean passes = e.getCause() instanceof RetriableException || e.getCause() instanceof TimeoutException;
                if (!passes || System.nanoTime() > until) {
                    throw new LockstepException("ask for " + what + ": " + e.getCause().getMessage(), e.getCause());
                }
                pause();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new LockstepException("interrupted while asking for " + what, e);
            }
        }
    }

    private static void pause() {
        try {
            Thread.sleep(50);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void close() {
        admin.close(Duration.ZERO);
    }
}
