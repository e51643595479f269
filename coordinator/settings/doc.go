// Package settings is the registry of what can be set on a topic, on a group and
// on a broker: name, type, default, limits and documentation of each, under
// Kafka's names, and a few of our own for locks. It parses overrides into typed
// values and tells where each effective value comes from. It keeps no state.
//
// A value is looked for in this order: the topic's or group's own override, then, for each
// broker-level synonym of the setting, the layers handed in (this broker's
// dynamic settings, the cluster's, the file or flags), then the default.
package settings
