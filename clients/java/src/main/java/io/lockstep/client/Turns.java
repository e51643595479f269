package io.lockstep.client;

import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;

/**
 * Who goes next, of the views that contend for a lock. Nobody sends anything for it: all read the same log, and the log says who
 * wrote the lock when. Whoever wrote it longest ago goes next; the others wait for that write, and only if it does not come, for
 * a time that grows with their place in line. A turn is a few writes in a row, if the view comes back for more at once; the writer
 * says so in the lock-id that it makes up. Views in Go and Python keep to the same rules, on the same names.
 *
 * <p>A plain value: its owner, a fold, gives it the time, in ns, and guards it.
 */
final class Turns {
    private static final int LINES_MAX = 64;
    private static final int REFUSALS_MAX = 6;
    private static final long MS = 1_000_000;
    private static final long PACE_FIRST = 2 * MS;
    private static final long PACE_MAX = 50 * MS;
    private static final long PACE_FACTOR = 4;
    private static final long TURN_WAIT_MAX = 500 * MS;
    private static final long TURN_TIME = 8 * MS;
    private static final String PREFIX = "view-";
    private static final int NAME_SIZE = PREFIX.length() + 13;
    private static final String ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

    final String self = newViewName();
    private final Map<String, Line> lines = new HashMap<>();
    private long pace; // about what an append of this view takes
    private long lag; // about what it takes until the feed shows it

    /** What a lock-id says: the view that made it, "" if none did, and how many writes more its turn will have. */
    record Writer(String view, int more) {
        static Writer of(String id) {
            if (!id.startsWith(PREFIX) || id.length() <= NAME_SIZE || id.charAt(NAME_SIZE) != '.') {
                return new Writer("", 0);
            }
            int plus = id.indexOf('+', NAME_SIZE);
            String more = plus < 0 ? "" : id.substring(plus + 1);
            return new Writer(id.substring(0, NAME_SIZE), more.matches("[0-9]{1,3}") ? Integer.parseInt(more) : 0);
        }
    }

    private static String newViewName() {
        SecureRandom random = new SecureRandom();
        StringBuilder name = new StringBuilder(PREFIX);
        for (int i = 0; i < 13; i++) {
            name.append(ALPHABET.charAt(random.nextInt(ALPHABET.length())));
        }
        return name.toString();
    }

    String newId(long number, int more) {
        return self + "." + number + (more > 0 ? "+" + more : "");
    }

    /** Begins to watch a lock, if it is not watched. */
    void refused(String lock, String by, long now) {
        String key = Lock.key(lock);
        if (lines.containsKey(key)) {
            return;
        }
        if (lines.size() >= LINES_MAX) {
            lines.entrySet().stream().min(Comparator.comparingLong(e -> e.getValue().last)).ifPresent(e -> lines.remove(e.getKey()));
        }
        lines.put(key, new Line(Writer.of(by).view(), now));
    }

    /** Notes records of the partition that came at once. */
    void see(List<ConsumerRecord<byte[], byte[]>> records, long now) {
        if (lines.isEmpty()) {
            return;
        }
        for (ConsumerRecord<byte[], byte[]> r : records) {
            seeOne(r);
        }
        for (Line l : lines.values()) {
            if (l.written) {
                l.last = now;
                l.written = false;
            }
        }
    }

    private void seeOne(ConsumerRecord<byte[], byte[]> r) {
        Header id = r.headers().lastHeader("lock-id");
        Writer by = Writer.of(id == null || id.value() == null ? "" : text(id));
        wrote("*", by);
        for (Header h : r.headers()) {
            if (h.value() != null && (h.key().equals("lock-write") || h.key().equals("lock-append"))) {
                for (String item : text(h).split(" ")) {
                    String name = item.split("@", 2)[0];
                    if (!name.equals("*")) {
                        wrote(name, by);
                    }
                }
            }
        }
    }

    private void wrote(String lock, Writer by) {
        Line l = lines.get(Lock.key(lock));
        if (l != null) {
            l.wrote(by.view(), by.more());
        }
    }

    private static String text(Header h) {
        return new String(h.value(), StandardCharsets.UTF_8);
    }

    /** How long this view is to wait for others; 0: it goes. */
    long wait(String lock, long until, long now) {
        Line l = lines.get(Lock.key(lock));
        if (l == null) {
            return 0;
        }
        int place = l.place(self, until);
        if (place <= 0) {
            return 0;
        }
        long due = l.last + Math.min(TURN_WAIT_MAX, Math.max(pace, lag) * place + pace * l.ahead(place));
        return Math.max(0, due - now);
    }

    /** Notes how long an append took: those of the others will take as long. */
    void took(long ns) {
        if (pace == 0) {
            pace = PACE_FIRST;
        }
        pace = Math.min(PACE_MAX, pace + (Math.min(ns, PACE_FACTOR * pace) - pace) / 8);
    }

    /** Notes how long after it was in this view has read an append of its own: so long the others do not know of it. */
    void heard(long ns) {
        lag = Math.min(PACE_MAX, lag + (Math.max(0, ns) - lag) / 8);
    }

    /** When a view goes that has no place in the line: behind those who have. */
    long enter(String lock) {
        Line l = lines.get(Lock.key(lock));
        return l == null ? 0 : l.turns + l.size();
    }

    /** When it goes after it was refused once more: views that are refused together would all go at once. */
    long again(String lock, int refusals) {
        Line l = lines.get(Lock.key(lock));
        return l == null ? 0 : l.turns + ThreadLocalRandom.current().nextInt(1 << (Math.min(refusals, REFUSALS_MAX) - 1));
    }

    void wants(List<String> locks, long now) {
        for (String lock : locks) {
            Line l = lines.get(Lock.key(lock));
            if (l != null) {
                l.wants(pace, now);
            }
        }
    }

    void done(List<String> locks, long now) {
        for (String lock : locks) {
            Line l = lines.get(Lock.key(lock));
            if (l != null) {
                l.landed = now;
            }
        }
    }

    /** How many writes more this view's turn will have after its next one. */
    int more(List<String> locks, String queued) {
        int more = Line.TURN_WRITES;
        boolean any = false;
        for (String lock : locks) {
            Line l = lines.get(Lock.key(lock));
            if (l == null) {
                continue;
            }
            any = true;
            if (!lock.equals(queued) && l.habit < Line.HABIT_ENOUGH) {
                return 0;
            }
            more = Math.min(more, turn() - 1 - l.runOf(self));
        }
        return any ? Math.max(0, more) : 0;
    }

    private int turn() {
        return pace == 0 ? 1 : (int) Math.max(1, Math.min(Line.TURN_WRITES, TURN_TIME / pace));
    }

    /** The first of the locks that this view should wait for; "" if there is none. */
    String contended(List<Lock> locks, long now) {
        if (!lines.isEmpty()) {
            for (Lock l : locks) {
                String name = l.headerName();
                if (l.judged() && wait(name, enter(name), now) > 0) {
                    return name;
                }
            }
        }
        return "";
    }
}
