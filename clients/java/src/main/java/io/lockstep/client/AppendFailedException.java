package io.lockstep.client;

/** The append failed for a reason that has nothing to do with locks. Nothing of it is in the log. */
public class AppendFailedException extends LockstepException {
    private static final long serialVersionUID = 1;

    AppendFailedException(String message, Throwable cause) {
        super(message, cause);
    }
}
