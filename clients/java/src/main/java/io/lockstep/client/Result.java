package io.lockstep.client;

/**
 * Where an append is in its partition's log. Its records lie side by side.
 *
 * @param offset of the first record
 * @param records how many
 */
public record Result(long offset, int records) {
    /**
     * The offset of the append's last record.
     *
     * @return the offset
     */
    public long last() {
        return offset + records - 1;
    }
}
