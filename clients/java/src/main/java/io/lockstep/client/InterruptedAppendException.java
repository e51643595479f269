package io.lockstep.client;

/** Time was up, or the thread interrupted, before the append was sent: nothing of it is in the log. */
public class InterruptedAppendException extends LockstepException {
    private static final long serialVersionUID = 1;

    InterruptedAppendException(String message, Throwable cause) {
        super(message, cause);
    }
}
