package io.lockstep.client;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.header.Header;

/** An append on its way. Its writer alone touches reports; the producer's thread adds to them while the writer waits. */
final class Pending {
    final Cond cond;
    final List<NewRecord> records;
    /** It could be a repeat: its place in the log is only known if it is alone in its batch. */
    final boolean repeatable;
    final int size;
    final List<String> marks = new ArrayList<>(2);
    final List<String> judged = new ArrayList<>(2);
    final CompletableFuture<Result> future = new CompletableFuture<>();
    private final List<Header> headers;
    private final List<Report> reports = new ArrayList<>(1);
    private boolean sent;

    record Report(RecordMetadata at, Exception error) {}

    Pending(Cond cond, List<NewRecord> records, boolean repeatable) {
        this.cond = cond;
        this.records = records;
        this.repeatable = repeatable;
        headers = cond.headers();
        int each = 0;
        for (Header h : headers) {
            each += h.key().length() + h.value().length + 4;
        }
        int bytes = each * records.size();
        for (NewRecord r : records) {
            bytes += r.size();
        }
        size = bytes;
        for (Lock l : cond.locks()) {
            String key = Lock.key(l.headerName());
            if (l.marks()) {
                marks.add(key);
            }
            if (l.judged()) {
                judged.add(key);
            }
        }
    }

    /** The locks stand at the append's last record, its id at each. */
    List<Header> headersOf(int index) {
        List<Header> own = records.get(index).headers();
        List<Header> locks = index == records.size() - 1 ? headers : headers.subList(headers.size() - 1, headers.size());
        if (own.isEmpty()) {
            return locks;
        }
        List<Header> all = new ArrayList<>(own);
        all.addAll(locks);
        return all;
    }

    /** It is about to be sent, unless whoever waits for it has given up. */
    synchronized boolean begin() {
        sent = !future.isDone();
        return sent;
    }

    /** Takes it back, if it was not sent. */
    synchronized boolean cancel(LockstepException why) {
        return !sent && future.completeExceptionally(why);
    }

    void forget() {
        synchronized (reports) {
            reports.clear();
        }
    }

    void reported(RecordMetadata at, Exception error) {
        synchronized (reports) {
            reports.add(new Report(at, error));
        }
    }

    /** The first error of its records, but rather the broker's word on the offender than that it shared its batch. */
    private Optional<Exception> error() {
        return reports.stream().map(Report::error).filter(e -> e != null)
            .reduce((a, b) -> a instanceof ApiException || !(b instanceof ApiException) ? a : b);
    }

    /** What the broker has said of it: admitted, refused, of a batch that was refused, or nothing that settles it. */
    enum Outcome { SETTLED, OFFENDER, BYSTANDER }

    Outcome settle() {
        synchronized (reports) {
            if (reports.size() == 1 && records.size() == 1 && reports.get(0).error() == null) {
                future.complete(new Result(reports.get(0).at().offset(), 1));
                return Outcome.SETTLED;
            }
            Optional<Exception> error = error();
            if (error.isEmpty() && reports.size() == records.size()) {
                future.complete(new Result(reports.get(0).at().offset(), records.size()));
                return Outcome.SETTLED;
            }
            Exception e = error.orElse(null);
            if (e != null && e.getClass() == KafkaException.class) {
                return Outcome.BYSTANDER; // "… was part of a batch which had one more more invalid records"
            }
            if (e instanceof ApiException && isVerdict(e)) {
                return Outcome.OFFENDER;
            }
            future.completeExceptionally(new UnknownResultException("the append may or may not be in the log: " + e, e));
            return Outcome.SETTLED;
        }
    }

    private static boolean isVerdict(Exception e) {
        return !(e instanceof org.apache.kafka.common.errors.RetriableException)
            && !(e instanceof org.apache.kafka.common.errors.OutOfOrderSequenceException);
    }

    /** The broker names it as the offender, and does not only refuse its batch. */
    boolean isNamed() {
        synchronized (reports) {
            boolean others = reports.stream().anyMatch(r -> r.error() != null && r.error().getClass() == KafkaException.class);
            return others || error().map(e -> Refusal.parse(e.getMessage()).isPresent()).orElse(false);
        }
    }

    /** Tells that it was refused, alone or as the one to blame. first is where it begins in its batch. */
    void refuse(int first) {
        Exception e = error().orElseThrow();
        Optional<Refusal> refusal = Refusal.parse(e.getMessage());
        future.completeExceptionally(refusal.isPresent() ? RefusedException.of(refusal.get().from(first), e)
            : new AppendFailedException("nothing of the append is in the log: " + e.getMessage(), e));
    }
}
