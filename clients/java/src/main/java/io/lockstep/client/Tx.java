package io.lockstep.client;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** What one run of a decision wants appended, and on which condition. */
public class Tx {
    private final long basis;
    private String id = "";
    private final List<Lock> locks = new ArrayList<>();
    private final List<NewRecord> records = new ArrayList<>();

    Tx(long basis) {
        this.basis = basis;
    }

    /**
     * The offset up to which the partition is in the state that the decision sees.
     *
     * @return the offset
     */
    public final long basis() {
        return basis;
    }

    /**
     * Adds locks to the condition; their basis is that of the state.
     *
     * @param more of them
     */
    public final void lock(Lock... more) {
        locks.addAll(Arrays.asList(more));
    }

    /**
     * Adds records: they are appended together, if the condition holds.
     *
     * @param more of them
     */
    public final void append(NewRecord... more) {
        records.addAll(Arrays.asList(more));
    }

    /**
     * Names the append, in place of a name that the view makes up.
     *
     * @param name of 1 to 64 bytes without spaces
     */
    public final void id(String name) {
        id = name;
    }

    final String id() {
        return id;
    }

    final List<Lock> locks() {
        return locks;
    }

    final List<NewRecord> records() {
        return records;
    }

    /** The locks that the append will mark, as headers have them. */
    final List<String> marks() {
        return locks.stream().filter(Lock::marks).map(Lock::headerName).toList();
    }
}
