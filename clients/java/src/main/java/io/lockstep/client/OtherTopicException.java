package io.lockstep.client;

/** The tables were folded from a topic of the same name that is no more. They have to be made anew. */
public class OtherTopicException extends LockstepException {
    private static final long serialVersionUID = 1;

    OtherTopicException(String message) {
        super(message, null);
    }
}
