package io.lockstep.client;

/** The brokers are not Lockstep, or too old. */
public class UnsupportedException extends LockstepException {
    private static final long serialVersionUID = 1;

    UnsupportedException(String message, Throwable cause) {
        super(message, cause);
    }
}
