package io.lockstep.client;

/** The producer or view was closed. */
public class ClosedException extends LockstepException {
    private static final long serialVersionUID = 1;

    ClosedException(String message, Throwable cause) {
        super(message, cause);
    }
}
