package coordinator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/lockstep-log/lockstep/coordinator/image"
	"github.com/lockstep-log/lockstep/coordinator/refusal"
	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/coordinator/store"
	"github.com/lockstep-log/lockstep/protocol"
)

// ConfigChange is what is asked for of the settings of one topic, broker or group.
type ConfigChange struct {
	Set   map[string]string
	Unset []string // none of Set; these go back to their defaults
	// ReplaceAll: those in neither Set nor Unset go back to their defaults as well.
	ReplaceAll bool
	// ValidateOnly: it is only said whether the change could be made.
	ValidateOnly bool
}

// apply makes new settings of old ones, and validates the outcome.
func (ch *ConfigChange) apply(old map[string]string,
	validate func(map[string]string) error) (map[string]string, error) {
	values := make(map[string]string)
	if !ch.ReplaceAll {
		maps.Copy(values, old)
	}
	for _, name := range ch.Unset {
		if _, ok := ch.Set[name]; ok {
			return nil, fmt.Errorf("%w: %s is both set and unset", refusal.ErrInvalidRequest, name)
		}
		delete(values, name)
	}
	maps.Copy(values, ch.Set)
	if err := checkLengths(ch.Set); err != nil {
		return nil, err
	}
	return values, validate(values)
}

// AlterTopicConfigs changes a topic's overrides.
func (c *Cluster) AlterTopicConfigs(ctx context.Context, name string, ch ConfigChange) error {
	return c.change(ctx, func(im *image.Image) decision {
		t, ok := im.Topic(name)
		if !ok {
			return c.unknownTopic(im, name)
		}
		v := t.Value()
		d := decision{compares: []store.Compare{c.unchanged(t)}, shrinks: len(ch.Set) == 0}
		v.Configs, d.err = ch.apply(t.Configs, validTopic)
		if !ch.ValidateOnly && !maps.Equal(v.Configs, t.Configs) {
			d.ops = []store.Op{store.Put(c.keys.Topic(name), store.Encode(v))}
		}
		return d
	})
}

// document is settings that have a key of their own, which stands while any is set.
type document struct {
	key      string
	in       func(*image.Image) image.Config
	validate func(map[string]string) error
	// bound refuses another document of its kind.
	bound func(*image.Image) error
}

// alter changes the settings of a document.
func (c *Cluster) alter(ctx context.Context, doc document, ch ConfigChange) error {
	return c.change(ctx, func(im *image.Image) decision {
		old := doc.in(im)
		d := decision{compares: []store.Compare{{Key: doc.key, ModRevision: old.Revision}}, shrinks: len(ch.Set) == 0}
		var values map[string]string
		values, d.err = ch.apply(old.Values, doc.validate)
		if d.err == nil && old.Revision == 0 && len(values) > 0 {
			d.err = doc.bound(im)
		}
		switch {
		case d.err != nil || ch.ValidateOnly || maps.Equal(values, old.Values):
		case len(values) == 0:
			d.ops = []store.Op{store.Delete(doc.key)}
		default:
			d.ops = []store.Op{store.Put(doc.key, store.Encode(values))}
		}
		return d
	})
}

// AlterClusterConfigs changes the settings that hold for every broker, by
// Kafka's broker names.
func (c *Cluster) AlterClusterConfigs(ctx context.Context, ch ConfigChange) error {
	return c.alter(ctx, document{
		key:      c.keys.ClusterConfig(),
		in:       (*image.Image).ClusterConfig,
		validate: validCluster,
		bound:    func(*image.Image) error { return nil }, // there is one
	}, ch)
}

// brokerConfigsMax bounds the brokers that have settings, as any id can be given some.
const brokerConfigsMax = 1000

// AlterBrokerConfigs changes the settings of one broker, which need not be live.
func (c *Cluster) AlterBrokerConfigs(ctx context.Context, id protocol.BrokerID, ch ConfigChange) error {
	if id <= protocol.NoBroker {
		return fmt.Errorf("%w: %d", refusal.ErrUnknownBroker, id)
	}
	return c.alter(ctx, document{
		key:      c.keys.BrokerConfig(id),
		in:       func(im *image.Image) image.Config { return im.BrokerConfig(id) },
		validate: validBroker,
		bound: func(im *image.Image) error {
			if _, live := im.Broker(id); !live && im.ConfiguredBrokerCount() >= brokerConfigsMax {
				return refusal.New(refusal.ErrInvalidRequest, "%d brokers have settings, and no more may", brokerConfigsMax)
			}
			return nil
		},
	}, ch)
}

const (
	// groupConfigsMax bounds the groups that have settings, as any name can be given some.
	groupConfigsMax = 10_000
	// groupIDBytesMax is the longest group id that can have settings, as it is a part of a key.
	groupIDBytesMax = 1024
)

// AlterGroupConfigs changes the settings of one consumer group, which need not be
// there. The layers are the brokers' settings that bound it.
func (c *Cluster) AlterGroupConfigs(ctx context.Context, group string, ch ConfigChange, layers []settings.Layer) error {
	switch {
	case group == "":
		return refusal.New(refusal.ErrInvalidRequest, "Default group resources are not allowed.")
	case len(group) > groupIDBytesMax:
		return refusal.New(refusal.ErrInvalidRequest, "The group's name has %d bytes, and may have %d", len(group),
			groupIDBytesMax)
	}
	return c.alter(ctx, document{
		key: c.keys.GroupConfig(group),
		in:  func(im *image.Image) image.Config { return im.GroupConfig(group) },
		validate: func(values map[string]string) error {
			return refuseConfigs(settings.ValidateGroup(values, layers...), refusal.ErrInvalidConfig)
		},
		bound: func(im *image.Image) error {
			if im.ConfiguredGroupCount() >= groupConfigsMax {
				return refusal.New(refusal.ErrInvalidRequest, "%d groups have settings, and no more may", groupConfigsMax)
			}
			return nil
		},
	}, ch)
}

// How long a setting's value may be. The replicas that are throttled are named
// one by one; older clients can be told of no longer string than that.
const (
	settingBytesMax      = 1 << 10
	replicaListBytesMax  = math.MaxInt16
	replicaListOfSetting = ".replication.throttled.replicas"
)

// checkLengths refuses values that are longer than any that means something:
// all of them are kept, on every member of the metadata store and in every broker.
func checkLengths(values map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		most := settingBytesMax
		if strings.HasSuffix(name, replicaListOfSetting) {
			most = replicaListBytesMax
		}
		if n := len(values[name]); n > most {
			return refusal.New(refusal.ErrInvalidConfig, "The value of %s has %d bytes, and may have %d", name, n, most)
		}
	}
	return nil
}

// validTopic and its like refuse what the settings refuse, as a request that is refused.
func validTopic(values map[string]string) error {
	return refuseConfigs(settings.Validate(values), refusal.ErrInvalidConfig)
}

// validBroker: of a broker's settings a bad value is to Kafka, too, a request that makes no sense.
func validBroker(values map[string]string) error {
	return refuseConfigs(settings.ValidateBroker(values), refusal.ErrInvalidRequest)
}

func validCluster(values map[string]string) error {
	return refuseConfigs(settings.ValidateCluster(values), refusal.ErrInvalidRequest)
}

// refuseConfigs gives an error of the settings its kind; badValue is that of a value
// which is refused. To alter what cannot be altered is, as with Kafka, no matter of the
// value but a request that makes no sense.
func refuseConfigs(err, badValue error) error {
	var fixed *settings.UpdateError
	var bad *settings.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &fixed):
		return refusal.New(refusal.ErrInvalidRequest, "%v", err)
	case errors.As(err, &bad):
		return refusal.New(badValue, "%v", err)
	default:
		return refusal.New(refusal.ErrInvalidConfig, "%v", err)
	}
}
