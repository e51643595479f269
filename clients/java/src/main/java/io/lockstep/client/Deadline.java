package io.lockstep.client;

import java.time.Duration;

/** When a call is to give up; of null, never. */
final class Deadline {
    private final boolean any;
    private final long at;

    Deadline(Duration timeout) {
        any = timeout != null;
        at = any ? System.nanoTime() + timeout.toNanos() : 0;
    }

    /** What is left; null: there is no end. */
    Duration left() {
        return any ? Duration.ofNanos(Math.max(0, at - System.nanoTime())) : null;
    }

    void check() {
        if (any && at - System.nanoTime() <= 0) {
            throw new InterruptedAppendException("time was up; nothing of the decision is in the log", null);
        }
    }

    long bound(long ns) {
        return any ? Math.max(0, Math.min(ns, at - System.nanoTime())) : ns;
    }
}
