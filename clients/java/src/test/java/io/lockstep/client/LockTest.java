package io.lockstep.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Locks as headers, and refusals as texts: no broker is asked. */
class LockTest {
    private static List<String> headers(long basis, Lock... locks) {
        List<String> got = new ArrayList<>();
        Lock.attach(new ProducerRecord<>("t", "v"), basis, locks).headers()
            .forEach(h -> got.add(h.key() + ": " + new String(h.value(), java.nio.charset.StandardCharsets.UTF_8)));
        return got;
    }

    @Test
    void attachWritesAHeaderForEachKindOfLockAndTheBasis() {
        assertEquals(List.of("lock-write: acct:7 acct:8@none", "lock-read: daily%20limits@9", "lock-basis: 12"),
            headers(12, Lock.write("acct:7"), Lock.read("daily limits").at(9), Lock.write("acct:8").at(Lock.NONE)));
        assertEquals(List.of("lock-append: a"), headers(12, Lock.append("a")));
        assertEquals(List.of("lock-write: *@3"), headers(Lock.NONE, Lock.partition().at(3)));
    }

    @ParameterizedTest
    @CsvSource({"acct:7,acct:7", "*,%2A", "a b,a%20b", "a@b,a%40b", "100%,100%", "%41,%2541", "%4,%4", "grün,grün", "a*,a*",
        "\u0085x,%C2%85x", "\u007fx,%7Fx"})
    void namesAreEscapedWhereTheyMustBe(String name, String header) {
        assertEquals(header, Lock.write(name).toString());
    }

    @Test
    void parseReadsWhatStandsBeforeTheColon() {
        Refusal r = Refusal.parse("CONFLICT lock=acct:7 last=18 basis=12 by=req-9 record=2: lock \"acct:7\" was written").orElseThrow();
        assertEquals(List.of(Refusal.Kind.CONFLICT, "acct:7", 18L, 12L, "req-9", 2),
            List.of(r.kind(), r.lock(), r.last(), r.basis(), r.by(), r.record()));
        assertEquals(Lock.NONE, Refusal.parse("CONFLICT lock=* last=? basis=none by=- record=0: x").orElseThrow().last());
        assertEquals(Refusal.Kind.UNKNOWN, Refusal.parse("UNKNOWN lock=a last=? basis=1 by=- record=0: x").orElseThrow().kind());
        assertEquals("req-9", Refusal.parse("DUPLICATE id=req-9 last=18 record=0: x").orElseThrow().id());
        assertEquals(31, Refusal.parse("HELD lock=a since=31 by=b record=0: x").orElseThrow().last());
        assertEquals("req-9", Refusal.parse("HELD id=req-9 since=31 record=0: x").orElseThrow().id());
        assertEquals(1, Refusal.parse("MALFORMED record=1: header").orElseThrow().record());
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "CONFLICT", "conflict lock=a", "CONFLICT lock=a last=1 basis=0 by=- record=0",
        "CONFLICT lock=a last=01 basis=0 by=- record=0: x", "CONFLICT lock=a last=9223372036854775808 basis=0 by=- record=0: x",
        "UNKNOWN lock=a last=1 basis=0 by=- record=0: x", "CONFLICT lock=a b last=1 basis=0 by=- record=0: x",
        "MALFORMED record=2147483648: x"})
    void parseTakesNothingElse(String text) {
        assertTrue(Refusal.parse(text).isEmpty());
    }
}
