package io.lockstep.client;

/** Somebody was faster: reading on and deciding again cures it. */
public class ConflictException extends RefusedException {
    private static final long serialVersionUID = 1;

    ConflictException(Refusal refusal, Throwable cause) {
        super(refusal, cause);
    }
}
