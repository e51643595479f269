package io.lockstep.client;

/** Whatever this library throws of its own. */
public class LockstepException extends RuntimeException {
    private static final long serialVersionUID = 1;

    LockstepException(String message, Throwable cause) {
        super(message, cause);
    }
}
