/**
 * Conditional appends and views for Lockstep, on stock kafka-clients.
 *
 * <ul>
 *   <li>{@link io.lockstep.client.ConditionalProducer} appends: append returns offsets or throws a
 *       {@link io.lockstep.client.RefusedException}, and nothing in between.
 *   <li>{@link io.lockstep.client.Lock} and {@link io.lockstep.client.Cond} say what an append depends on.
 *   <li>{@link io.lockstep.client.View} folds a partition into a state, and runs the loop that reads it, decides, appends,
 *       and decides again when somebody was faster. {@link io.lockstep.client.JdbcApplier} keeps the state in a database.
 *   <li>{@link io.lockstep.client.Refusal} reads the text of a refusal that any other client got.
 * </ul>
 */
package io.lockstep.client;
