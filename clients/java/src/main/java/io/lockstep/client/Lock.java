package io.lockstep.client;

import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Objects;
import org.apache.kafka.clients.producer.ProducerRecord;

/** One lock of an append. It is a value: {@link #at} gives another one. */
public final class Lock {
    /** The basis of a writer that has read nothing. */
    public static final long NONE = -1;

    /** What a lock asks of its record. */
    enum Kind {
        WRITE("lock-write"), READ("lock-read"), APPEND("lock-append");

        final String header;

        Kind(String header) {
            this.header = header;
        }
    }

    private final Kind kind;
    private final boolean whole;
    private final String name;
    private final Long basis;
    private final String headerName; // the name as a header, and so a refusal, has it

    private Lock(Kind kind, boolean whole, String name, Long basis) {
        this.kind = kind;
        this.whole = whole;
        this.name = Objects.requireNonNull(name, "name");
        this.basis = basis;
        headerName = whole ? "*" : escape(name);
    }

    /**
     * Refuses the append if the lock was written after the basis, and marks it with the append's offset.
     *
     * @param name as the application knows it: 1 to 255 bytes of UTF-8
     * @return the lock
     */
    public static Lock write(String name) {
        return new Lock(Kind.WRITE, false, name, null);
    }

    /**
     * Refuses the append if the lock was written after the basis, and marks nothing.
     *
     * @param name as the application knows it
     * @return the lock
     */
    public static Lock read(String name) {
        return new Lock(Kind.READ, false, name, null);
    }

    /**
     * Only marks the lock: a blind write that others must see.
     *
     * @param name as the application knows it
     * @return the lock
     */
    public static Lock append(String name) {
        return new Lock(Kind.APPEND, false, name, null);
    }

    /**
     * Refuses the append if anything at all was appended to the partition after the basis.
     *
     * @return the lock
     */
    public static Lock partition() {
        return new Lock(Kind.WRITE, true, "*", null);
    }

    /**
     * The lock with a basis of its own, in place of the condition's.
     *
     * @param offset the last that was read and applied; it may be {@link #NONE}
     * @return another lock
     */
    public Lock at(long offset) {
        return new Lock(kind, whole, name, offset);
    }

    Kind kind() {
        return kind;
    }

    Long basis() {
        return basis;
    }

    boolean judged() {
        return kind != Kind.APPEND;
    }

    boolean marks() {
        return kind != Kind.READ;
    }

    /** The name as a header, and so a refusal, has it. */
    String headerName() {
        return headerName;
    }

    /** The lock as it stands in its header. */
    @Override
    public String toString() {
        return basis == null ? headerName() : headerName() + "@" + basisText(basis);
    }

    @Override
    public boolean equals(Object o) {
        return o instanceof Lock l && l.kind == kind && l.whole == whole && l.name.equals(name)
            && Objects.equals(l.basis, basis);
    }

    @Override
    public int hashCode() {
        return Objects.hash(kind, whole, name, basis);
    }

    /**
     * Adds lock headers to a record, for any producer that can set headers. With a plain KafkaProducer one refused record
     * refuses its whole batch: let such a producer have one conditional record in flight at a time.
     *
     * @param <K> the record's key
     * @param <V> the record's value
     * @param record to be given headers
     * @param basis of every lock without one of its own
     * @param locks what the record depends on
     * @return the record
     */
    public static <K, V> ProducerRecord<K, V> attach(ProducerRecord<K, V> record, long basis, Lock... locks) {
        new Cond("", basis, java.util.List.of(locks)).headers().forEach(record.headers()::add);
        return record;
    }

    static String basisText(long basis) {
        return basis == NONE ? "none" : Long.toString(basis);
    }

    /** A name as a header holds it: %XX for spaces, controls and "@", and for a "%" that would be read as one. */
    static String escape(String name) {
        if (isPlain(name)) {
            return name;
        }
        if (name.equals("*")) {
            return "%2A";
        }
        StringBuilder out = new StringBuilder(name.length());
        for (int i = 0; i < name.length(); i++) {
            char c = name.charAt(i);
            boolean control = c <= ' ' || c >= 0x7f && c <= 0x9f;
            if (control || c == '@' || c == '%' && isHex(name, i + 1) && isHex(name, i + 2)) {
                for (byte b : String.valueOf(c).getBytes(StandardCharsets.UTF_8)) {
                    out.append(String.format(Locale.ROOT, "%%%02X", b & 0xff));
                }
            } else {
                out.append(c);
            }
        }
        return out.toString();
    }

    /** Nothing has to be escaped in it. */
    private static boolean isPlain(String name) {
        for (int i = 0; i < name.length(); i++) {
            char c = name.charAt(i);
            if (c <= ' ' || c >= 0x7f || c == '@' || c == '%' || c == '*') {
                return false;
            }
        }
        return true;
    }

    private static boolean isHex(String s, int at) {
        return at < s.length() && s.charAt(at) < 0x80 && Character.digit(s.charAt(at), 16) >= 0;
    }

    /** One name for all spellings of a lock in headers, "*" the partition's. */
    static String key(String headerName) {
        if (headerName.indexOf('%') < 0) {
            return headerName;
        }
        byte[] raw = headerName.getBytes(StandardCharsets.UTF_8);
        byte[] out = new byte[raw.length];
        int n = 0;
        for (int i = 0; i < raw.length; i++) {
            int high = raw[i] == '%' && i + 2 < raw.length ? Character.digit(raw[i + 1], 16) : -1;
            int low = high >= 0 ? Character.digit(raw[i + 2], 16) : -1;
            if (low >= 0) {
                out[n++] = (byte) (high << 4 | low);
                i += 2;
            } else {
                out[n++] = raw[i];
            }
        }
        return "%" + new String(out, 0, n, StandardCharsets.ISO_8859_1); // no name that has no escape begins so
    }
}
