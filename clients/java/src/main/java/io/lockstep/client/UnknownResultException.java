package io.lockstep.client;

/** The append may or may not be in the log. Appending again with the same id and content tells the truth. */
public class UnknownResultException extends LockstepException {
    private static final long serialVersionUID = 1;

    UnknownResultException(String message, Throwable cause) {
        super(message, cause);
    }
}
