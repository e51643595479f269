package io.lockstep.client;

import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Why an append was refused, as the broker's text tells it.
 *
 * @param kind what cures it
 * @param record the offender's index in its append; of a parsed text, in the batch
 * @param lock the lock that was to blame, as the header has it; "*" is the partition; "" if there is none
 * @param id of a duplicate, or of what is held: the lock-id; else ""
 * @param basis what the writer had read
 * @param last the offset to read up to; of a duplicate, of the first append; {@link Lock#NONE} if it is not known
 * @param by the id of the append that wrote last; "" if it had none
 * @param message the whole text
 */
public record Refusal(Kind kind, int record, String lock, String id, long basis, long last, String by, String message) {
    /** The first word of a refusal's text. */
    public enum Kind {
        /** A lock was written after its basis: read on to last, and decide again. */
        CONFLICT,
        /** The basis is older than the lock history kept: read on to the end, and decide again. */
        UNKNOWN,
        /** A transaction that is still open holds it: try again when it has ended. */
        HELD,
        /** The lock-id was used before with other content. */
        DUPLICATE,
        /** A mistake of the program that made the append. */
        MALFORMED
    }

    private static final String OFFSET = "(?:0|[1-9][0-9]{0,18})";
    private static final String RECORD = " record=(?<record>0|[1-9][0-9]{0,9}): ";
    private static final Map<Kind, Pattern> TEXTS = new EnumMap<>(Map.of(
        Kind.CONFLICT, Pattern.compile("CONFLICT lock=(?<lock>[^ ]+) last=(?<last>" + OFFSET + "|\\?) basis=(?<basis>" + OFFSET
            + "|none) by=(?<by>[^ ]+)" + RECORD),
        Kind.UNKNOWN, Pattern.compile("UNKNOWN lock=(?<lock>[^ ]+) last=(?<last>\\?) basis=(?<basis>" + OFFSET
            + "|none) by=(?<by>[^ ]+)" + RECORD),
        Kind.HELD, Pattern.compile("HELD (?:lock=(?<lock>[^ ]+)|id=(?<id>[^ ]+)) since=(?<last>" + OFFSET
            + ")(?: by=(?<by>[^ ]+))?" + RECORD),
        Kind.DUPLICATE, Pattern.compile("DUPLICATE id=(?<id>[^ ]+) last=(?<last>" + OFFSET + "|\\?)" + RECORD),
        Kind.MALFORMED, Pattern.compile("MALFORMED" + RECORD)));

    /**
     * Reads the text of a refusal that any client got: the message of its exception, the partition's error message, or that of
     * its record error.
     *
     * @param message the text
     * @return empty if it is no refusal
     */
    public static Optional<Refusal> parse(String message) {
        if (message == null) {
            return Optional.empty();
        }
        for (Map.Entry<Kind, Pattern> text : TEXTS.entrySet()) {
            Matcher found = text.getValue().matcher(message);
            if (found.lookingAt()) {
                return read(text.getKey(), text.getValue(), found, message);
            }
        }
        return Optional.empty();
    }

    private static Optional<Refusal> read(Kind kind, Pattern text, Matcher found, String message) {
        try {
            String by = group(text, found, "by");
            return Optional.of(new Refusal(kind, Integer.parseInt(found.group("record")), group(text, found, "lock"),
                group(text, found, "id"), number(group(text, found, "basis")), number(group(text, found, "last")),
                by.equals("-") ? "" : by, message));
        } catch (NumberFormatException tooLarge) {
            return Optional.empty();
        }
    }

    private static String group(Pattern text, Matcher found, String name) {
        String value = text.pattern().contains("(?<" + name + ">") ? found.group(name) : null;
        return value == null ? "" : value;
    }

    private static long number(String digits) {
        return digits.isEmpty() || digits.equals("?") || digits.equals("none") ? Lock.NONE : Long.parseLong(digits);
    }

    /** The same refusal of the append whose first record has an index in the batch. */
    Refusal from(int first) {
        return new Refusal(kind, Math.max(0, record - first), lock, id, basis, last, by, message);
    }
}
