package io.lockstep.client;

/** A transaction that is still open holds a lock or an id: try again when it has ended. */
public class HeldException extends RefusedException {
    private static final long serialVersionUID = 1;

    HeldException(Refusal refusal, Throwable cause) {
        super(refusal, cause);
    }
}
