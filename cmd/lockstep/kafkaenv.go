package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Kafka's container images are set up by variables, and compose files are full
// of them. The ones that map onto a setting stand in the settings table; these
// need a word of their own.
const (
	envSecurityMap         = "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"
	envControllerListeners = "KAFKA_CONTROLLER_LISTENER_NAMES"
	envRetentionBytes      = "KAFKA_LOG_RETENTION_BYTES"
	envRetentionMs         = "KAFKA_LOG_RETENTION_MS"
	envRetentionMinutes    = "KAFKA_LOG_RETENTION_MINUTES"
	envRetentionHours      = "KAFKA_LOG_RETENTION_HOURS"
	envMinInsync           = "KAFKA_MIN_INSYNC_REPLICAS"
)

var kafkaOnly = []string{envSecurityMap, envControllerListeners,
	envRetentionBytes, envRetentionMs, envRetentionMinutes, envRetentionHours, envMinInsync}

// applyKafkaTopicDefaults turns KAFKA_LOG_RETENTION_… and its like into topic defaults. As
// in Kafka the finer unit wins, and a negative value means for ever. Being
// environment, they win over the file and lose to topic-defaults said closer by.
func (l *layers) applyKafkaTopicDefaults(c *serveConfig) error {
	found := map[string]string{}
	for _, v := range []struct {
		env, key string
		times    int64
	}{
		{envRetentionBytes, "retention.bytes", 1},
		{envRetentionHours, "retention.ms", 3_600_000},
		{envRetentionMinutes, "retention.ms", 60_000},
		{envRetentionMs, "retention.ms", 1},
		{envMinInsync, "min.insync.replicas", 1},
	} {
		if err := l.scaled(v.env, v.key, v.times, found); err != nil {
			return err
		}
	}
	_, byFlag := l.flags["topic-defaults"]
	_, byEnv := l.env["LOCKSTEP_TOPIC_DEFAULTS"]
	for key, value := range found {
		if _, set := c.TopicDefaults[key]; !set || !(byFlag || byEnv) {
			c.TopicDefaults[key] = value
		}
	}
	return nil
}

// scaled reads a number from the environment into found[key].
func (l *layers) scaled(env, key string, times int64, found map[string]string) error {
	v, ok := l.env[env]
	if !ok {
		return nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n > (1<<63-1)/times {
		return fmt.Errorf("%s: want a number", describe(key, given{v, "environment variable " + env}))
	}
	if n < 0 {
		n, times = -1, 1
	}
	if n == 0 && key == "retention.ms" {
		return fmt.Errorf("%s: want -1, for ever, or a number from 1", describe(key, given{v, "environment variable " + env}))
	}
	found[key] = strconv.FormatInt(n*times, 10)
	return nil
}

// dropControllers drops the listeners that only a Kafka controller would open.
func (l *layers) dropControllers(c *serveConfig) {
	for _, name := range splitList(strings.ToLower(l.env[envControllerListeners])) {
		isController := func(o listener) bool { return o.Name == name }
		if len(c.Listeners) > 1 {
			c.Listeners = slices.DeleteFunc(c.Listeners, isController)
		}
		c.Advertised = slices.DeleteFunc(c.Advertised, isController)
	}
}
