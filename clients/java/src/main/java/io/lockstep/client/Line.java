package io.lockstep.client;

import java.util.ArrayList;
import java.util.List;

/** The views that contend for one lock; who wrote longest ago comes first, but for who goes on. Turns owns it. */
final class Line {
    private static final int VIEWS_MAX = 256;
    private static final long NEVER = Long.MIN_VALUE;
    static final int TURN_WRITES = 3;
    static final int HABIT_ENOUGH = 2;
    private static final int HABIT_MAX = 4;
    private static final int HABIT_LOST = 2;

    /** A view in line: the writes that its turn has had (0: it waits), will have, and had before. */
    private static final class Member {
        final String view;
        int run;
        int more;
        int usual;

        Member(String view) {
            this.view = view;
        }
    }

    private final List<Member> members = new ArrayList<>();
    long turns; // that have ended since the line is known
    long last; // when it was written, as this view has read
    boolean written; // and last has not heard of it
    long landed = NEVER; // when this view's last write was committed; NEVER: it has come back since
    int habit = HABIT_ENOUGH; // of coming back at once

    Line(String view, long now) {
        last = now;
        if (!view.isEmpty()) {
            Member m = new Member(view);
            m.usual = 1;
            members.add(m);
        }
    }

    /** Notes a write: of a view, whose turn will have so many more, or of somebody who takes no turns. */
    void wrote(String by, int more) {
        written = true;
        if (by.isEmpty()) {
            turns++;
            return;
        }
        int at = index(by);
        Member m = at >= 0 ? members.get(at) : new Member(by);
        if (at >= 0) {
            members.subList(0, at + 1).clear(); // those before it were passed over
        }
        m.run++;
        boolean room = members.size() < VIEWS_MAX;
        m.more = Math.max(0, Math.min(more, TURN_WRITES - m.run));
        if (m.more > 0 && room) {
            members.add(0, m);
            return;
        }
        turns++;
        m.usual = m.run;
        m.run = 0;
        if (room) {
            members.add(m);
        }
    }

    int size() {
        return members.size();
    }

    /** How many writes the first in line will make: what they have said, or what they made before. */
    int ahead(int views) {
        int writes = 0;
        for (Member m : members.subList(0, Math.min(views, members.size()))) {
            writes += m.run > 0 ? m.more : m.usual;
        }
        return writes;
    }

    /** Notes that this view, whose appends take pace, wants to write. */
    void wants(long pace, long now) {
        if (landed == NEVER) {
            return;
        }
        habit = now - landed <= pace ? Math.min(habit + 1, HABIT_MAX) : Math.max(habit - HABIT_LOST, 0);
        landed = NEVER;
    }

    /** How many are before a view, or turns if it has no place of its own. */
    int place(String view, long until) {
        int at = index(view);
        return at >= 0 ? at : (int) Math.max(0, until - turns);
    }

    int runOf(String view) {
        int at = index(view);
        return at >= 0 ? members.get(at).run : 0;
    }

    private int index(String view) {
        for (int i = 0; i < members.size(); i++) {
            if (members.get(i).view.equals(view)) {
                return i;
            }
        }
        return -1;
    }
}
