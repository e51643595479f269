package io.lockstep.client;

/** An append was refused: nothing of it is in the log. Its class says what cures it. */
public class RefusedException extends LockstepException {
    private static final long serialVersionUID = 1;

    private final transient Refusal refusal;

    RefusedException(Refusal refusal, Throwable cause) {
        super(refusal.message(), cause);
        this.refusal = refusal;
    }

    /**
     * What the broker says of it.
     *
     * @return the refusal
     */
    public Refusal refusal() {
        return refusal;
    }

    static RefusedException of(Refusal r, Throwable cause) {
        return switch (r.kind()) {
            case CONFLICT, UNKNOWN -> new ConflictException(r, cause);
            case HELD -> new HeldException(r, cause);
            case DUPLICATE -> new DuplicateException(r, cause);
            case MALFORMED -> new MalformedException(r, cause);
        };
    }
}
