package io.lockstep.client;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.OptionalLong;

/** One partition's row of lockstep_basis, and the tables that it and its neighbours stand in. */
final class BasisRow {
    private final String prefix;
    private final String topic;
    private final int partition;
    private final String id;

    BasisRow(String prefix, String topic, int partition, String id) {
        this.prefix = prefix;
        this.topic = topic;
        this.partition = partition;
        this.id = id;
    }

    /** Makes the tables and the row where they are missing, and reads it. The connection commits by itself. */
    long prepare(Connection db) throws SQLException {
        try {
            create(db);
        } catch (SQLException e) {
            create(db); // of two processes that make one at once, a database refuses one
        }
        return load(db);
    }

    private void create(Connection db) throws SQLException {
        String bytes = db.getMetaData().getDatabaseProductName().equals("PostgreSQL") ? "BYTEA" : "BLOB";
        List<String> tables = List.of(
            "CREATE TABLE IF NOT EXISTS " + prefix + "basis (topic VARCHAR(249) NOT NULL, part INTEGER NOT NULL, "
                + "topic_id CHAR(32) NOT NULL, basis BIGINT NOT NULL, PRIMARY KEY (topic, part))",
            "CREATE TABLE IF NOT EXISTS " + prefix + "poison (topic VARCHAR(249) NOT NULL, part INTEGER NOT NULL, "
                + "log_offset BIGINT NOT NULL, record_key " + bytes + ", record_value " + bytes
                + ", reason TEXT NOT NULL, PRIMARY KEY (topic, part, log_offset))");
        for (String table : tables) {
            try (Statement s = db.createStatement()) {
                s.executeUpdate(table);
            }
        }
        if (find(db).isEmpty()) {
            String insert = "INSERT INTO " + prefix + "basis (topic, part, topic_id, basis) VALUES (?, ?, ?, ?)";
            try (PreparedStatement s = db.prepareStatement(insert)) {
                s.setString(1, topic);
                s.setInt(2, partition);
                s.setString(3, id);
                s.setLong(4, Lock.NONE);
                s.executeUpdate();
            }
        }
    }

    private OptionalLong find(Connection db) throws SQLException {
        String select = "SELECT topic_id, basis FROM " + prefix + "basis WHERE topic = ? AND part = ?";
        try (PreparedStatement s = db.prepareStatement(select)) {
            s.setString(1, topic);
            s.setInt(2, partition);
            try (ResultSet row = s.executeQuery()) {
                if (!row.next()) {
                    return OptionalLong.empty();
                }
                if (!row.getString(1).equals(id)) {
                    throw new OtherTopicException(topic + " has the id " + id + ", and the row " + row.getString(1));
                }
                return OptionalLong.of(row.getLong(2));
            }
        }
    }

    long load(Connection db) throws SQLException {
        return find(db).orElseThrow(
            () -> new LockstepException("the row of " + topic + "-" + partition + " in " + prefix + "basis is gone", null));
    }

    /**
     * Moves the basis within a transaction, and reports whether it was where it was thought to be. It is the transaction's first
     * statement: whoever loses waits here for the winner, and has done nothing yet.
     */
    boolean advance(Connection db, long from, long to) throws SQLException {
        String update = "UPDATE " + prefix + "basis SET basis = ? WHERE topic = ? AND part = ? AND topic_id = ? AND basis = ?";
        try (PreparedStatement s = db.prepareStatement(update)) {
            s.setLong(1, to);
            s.setString(2, topic);
            s.setInt(3, partition);
            s.setString(4, id);
            s.setLong(5, from);
            return s.executeUpdate() == 1;
        }
    }
}
