package io.lockstep.client;

/** Records that a view would have to apply were removed from the log. A state without them would be wrong. */
public class LogCutException extends LockstepException {
    private static final long serialVersionUID = 1;

    LogCutException(String message, Throwable cause) {
        super(message, cause);
    }
}
