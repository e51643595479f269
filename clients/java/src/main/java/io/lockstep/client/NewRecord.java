package io.lockstep.client;

import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.kafka.common.header.Header;

/**
 * A record to be appended.
 *
 * @param key null: none
 * @param value null: a tombstone
 * @param timestamp in ms since 1970; null: the time of sending
 * @param headers of the application's own
 */
public record NewRecord(byte[] key, byte[] value, Long timestamp, List<Header> headers) {
    /**
     * A record of text.
     *
     * @param key null: none
     * @param value null: a tombstone
     * @return the record
     */
    public static NewRecord of(String key, String value) {
        return of(bytes(key), bytes(value));
    }

    /**
     * A record of bytes.
     *
     * @param key null: none
     * @param value null: a tombstone
     * @return the record
     */
    public static NewRecord of(byte[] key, byte[] value) {
        return new NewRecord(key, value, null, List.of());
    }

    private static byte[] bytes(String s) {
        return s == null ? null : s.getBytes(StandardCharsets.UTF_8);
    }

    NewRecord at(long time) {
        return timestamp != null ? this : new NewRecord(key, value, time, headers);
    }

    int size() {
        int size = 32 + (key == null ? 0 : key.length) + (value == null ? 0 : value.length);
        for (Header h : headers) {
            size += 8 + 3 * h.key().length() + (h.value() == null ? 0 : h.value().length);
        }
        return size;
    }
}
