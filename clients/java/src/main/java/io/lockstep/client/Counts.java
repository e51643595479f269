package io.lockstep.client;

/**
 * What update has come to since a view began: refusals beside commits say how much its writers contend.
 *
 * @param decisions how often it had a decision made
 * @param commits how many appends went in
 * @param refusals how many were refused because somebody else was faster
 */
public record Counts(long decisions, long commits, long refusals) {}
