package io.lockstep.client;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

/**
 * The condition of an append.
 *
 * @param id the writer's own name for the append, of 1 to 64 bytes without spaces: it makes the append append-once, and names
 *     it to writers that it beats. Where it is empty the library makes one up.
 * @param basis the offset of the last record of the partition that the writer had read and applied, {@link Lock#NONE} if it had
 *     read nothing. It counts for every lock without a basis of its own.
 * @param locks what the append depends on
 */
public record Cond(String id, long basis, List<Lock> locks) {
    /** Checks nothing but that there is no null: the broker knows the grammar. */
    public Cond {
        locks = List.copyOf(locks);
    }

    /**
     * A condition without an id.
     *
     * @param basis what the writer had read
     * @param locks what the append depends on
     * @return the condition
     */
    public static Cond of(long basis, Lock... locks) {
        return new Cond("", basis, Arrays.asList(locks));
    }

    /**
     * The same condition for an append with a name.
     *
     * @param name the append's
     * @return another condition
     */
    public Cond withId(String name) {
        return new Cond(name, basis, locks);
    }

    /** One header for each kind of lock that there is, lock-basis and lock-id. */
    List<Header> headers() {
        List<Header> headers = new ArrayList<>(5);
        boolean needsBasis = false;
        for (Lock.Kind kind : Lock.Kind.values()) {
            StringBuilder items = null;
            for (Lock l : locks) {
                if (l.kind() == kind) {
                    items = items == null ? new StringBuilder() : items.append(' ');
                    items.append(l.headerName());
                    if (l.basis() != null) {
                        items.append('@').append(Lock.basisText(l.basis()));
                    }
                    needsBasis |= l.judged() && l.basis() == null;
                }
            }
            if (items != null) {
                headers.add(header(kind.header, items.toString()));
            }
        }
        if (needsBasis) {
            headers.add(header("lock-basis", Lock.basisText(basis)));
        }
        if (!id.isEmpty()) {
            headers.add(header("lock-id", id));
        }
        return headers;
    }

    private static Header header(String key, String value) {
        return new RecordHeader(key, value.getBytes(StandardCharsets.UTF_8));
    }
}
