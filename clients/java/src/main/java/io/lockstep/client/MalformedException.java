package io.lockstep.client;

/** A mistake of the program that made the append. */
public class MalformedException extends RefusedException {
    private static final long serialVersionUID = 1;

    MalformedException(Refusal refusal, Throwable cause) {
        super(refusal, cause);
    }
}
