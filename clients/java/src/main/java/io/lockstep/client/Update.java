package io.lockstep.client;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.function.Supplier;

/** One call of update. */
final class Update implements AutoCloseable {
    private static final long BACK_OFF = 50_000_000;

    private final Fold fold;
    private final Supplier<Tx> decision;
    private final Deadline deadline;
    private final Object token = new Object(); // its place in the queue of a lock
    private String lock = ""; // whose queue it is in
    private long until; // turns of the lock that may end before it goes, if it has no place in line
    private boolean wanted; // the lines know what it wants
    private boolean waited; // the line was waited for since the last refusal
    private int refusals;

    Update(Fold fold, Supplier<Tx> decision, Deadline deadline) {
        this.fold = fold;
        this.decision = decision;
        this.deadline = deadline;
    }

    Result run() {
        while (true) {
            Tx tx = decide();
            if (tx.records().isEmpty()) {
                return null;
            }
            if (!waited && awaitContended(tx.locks())) {
                waited = true;
                continue; // the state has moved
            }
            try {
                return fold.append(tx, queued(), deadline);
            } catch (RefusedException e) {
                refused(e, tx);
            }
        }
    }

    private Tx decide() {
        fold.await(deadline);
        fold.noteDecision();
        Tx tx = decision.get();
        if (!wanted) {
            wanted = true;
            fold.locked(() -> {
                fold.turns.wants(tx.marks(), System.nanoTime());
                return null;
            });
        }
        return tx;
    }

    private String queued() {
        return fold.locked(() -> fold.queues.getOrDefault(lock, new ArrayDeque<>()).size() > 1 ? lock : "");
    }

    private boolean awaitContended(List<Lock> locks) {
        fold.lock.lock();
        try {
            String busy = locks.stream().filter(l -> l.judged() && fold.queues.containsKey(l.headerName())).map(Lock::headerName)
                .findFirst().orElseGet(() -> fold.turns.contended(locks, System.nanoTime()));
            if (busy.isEmpty()) {
                return false;
            }
            join(busy);
            awaitTurn();
            return true;
        } finally {
            fold.lock.unlock();
        }
    }

    /** Takes the fold's own queue of a lock. The fold's lock is held. */
    private void join(String name) {
        if (lock.equals(name)) {
            return;
        }
        leave();
        Deque<Object> queue = fold.queues.computeIfAbsent(name, n -> new ArrayDeque<>());
        queue.add(token);
        lock = name;
        while (queue.peek() != token) {
            fold.checkEnded();
            fold.pause(Long.MAX_VALUE, deadline);
        }
        until = fold.turns.enter(name);
    }

    /** The fold's lock is held. */
    private void leave() {
        if (lock.isEmpty()) {
            return;
        }
        Deque<Object> queue = fold.queues.get(lock);
        queue.remove(token);
        if (queue.isEmpty()) {
            fold.queues.remove(lock);
        }
        lock = "";
        fold.moved.signalAll();
    }

    /** Waits until deciding again may succeed, or throws the refusal if it cannot. */
    private void refused(RefusedException e, Tx tx) {
        Refusal r = e.refusal();
        boolean held = r.kind() == Refusal.Kind.HELD;
        if (!held && !(e instanceof ConflictException)) {
            throw e;
        }
        fold.noteRefusal();
        long last = r.kind() == Refusal.Kind.UNKNOWN ? fold.producer.topics().end(fold.at) : r.last();
        if (!held && last <= tx.basis()) {
            throw e; // a basis of its own that the decision gave a lock: the same again would be refused again
        }
        fold.lock.lock();
        try {
            if (held) {
                fold.pause(BACK_OFF, deadline); // until the transaction has ended
                return;
            }
            fold.turns.refused(r.lock(), r.by(), System.nanoTime());
            fold.caughtUp(last, deadline);
            join(r.lock());
            waited = true;
            if (++refusals > 1) {
                until = fold.turns.again(lock, refusals);
            }
            awaitTurn();
        } finally {
            fold.lock.unlock();
        }
    }

    /** Waits until nobody else is before this fold in the lock's line. The fold's lock is held. */
    private void awaitTurn() {
        while (true) {
            fold.checkEnded();
            long wait = fold.turns.wait(lock, until, System.nanoTime());
            if (wait <= 0) {
                return;
            }
            fold.pause(wait, deadline);
        }
    }

    @Override
    public void close() {
        fold.lock.lock();
        try {
            leave();
        } finally {
            fold.lock.unlock();
        }
    }
}
