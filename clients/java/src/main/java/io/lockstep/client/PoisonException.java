package io.lockstep.client;

import org.apache.kafka.clients.consumer.ConsumerRecord;

/** A record cannot be applied, and the policy does not skip it. */
public class PoisonException extends LockstepException {
    private static final long serialVersionUID = 1;

    private final long offset;

    PoisonException(ConsumerRecord<byte[], byte[]> r, Throwable cause) {
        super("the record at offset " + r.offset() + " of " + r.topic() + "-" + r.partition() + " cannot be applied: " + cause, cause);
        offset = r.offset();
    }

    /**
     * Which record.
     *
     * @return its offset
     */
    public long offset() {
        return offset;
    }
}
