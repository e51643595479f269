package io.lockstep.client;

/** The append's id was used before with other content. */
public class DuplicateException extends RefusedException {
    private static final long serialVersionUID = 1;

    DuplicateException(Refusal refusal, Throwable cause) {
        super(refusal, cause);
    }
}
