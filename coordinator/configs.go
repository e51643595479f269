package coordinator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/lockstep-log/lockstep/coordinator/settings"
	"github.com/lockstep-log/lockstep/protocol"
)

// AlterTopicConfigs changes a topic's overrides: unset are taken away, set are
// put. With replaceAll, those in neither go as well.
func (c *Cluster) AlterTopicConfigs(ctx context.Context, name string, set map[string]string, unset []string, replaceAll, validateOnly bool) error {
	return c.change(ctx, func(im *Image) decision {
		t, ok := im.Topic(name)
		if !ok {
			return c.unknownTopic(im, name)
		}
		v := t.value()
		d := decision{compares: []Compare{c.unchanged(t)}, shrinks: len(set) == 0}
		v.Configs, d.err = alter(t.Configs, set, unset, replaceAll, validTopic)
		if !validateOnly && !maps.Equal(v.Configs, t.Configs) {
			d.ops = []Op{Put(c.keys.topic(name), encode(v))}
		}
		return d
	})
}

// AlterClusterConfigs changes the settings that hold for every broker, by
// Kafka's broker names.
func (c *Cluster) AlterClusterConfigs(ctx context.Context, set map[string]string, unset []string, replaceAll, validateOnly bool) error {
	now := func(im *Image) configMap { return im.clusterConfig }
	return c.alterBrokers(ctx, c.keys.clusterConfig(), now, validCluster, set, unset, replaceAll, validateOnly)
}

// brokerConfigsMax bounds the brokers that have settings, as any id can be given some.
const brokerConfigsMax = 1000

// AlterBrokerConfigs changes the settings of one broker, which need not be live.
func (c *Cluster) AlterBrokerConfigs(ctx context.Context, id protocol.BrokerID, set map[string]string, unset []string, replaceAll, validateOnly bool) error {
	if id <= protocol.NoBroker {
		return fmt.Errorf("%w: %d", ErrUnknownBroker, id)
	}
	validate := func(values map[string]string) error {
		im := c.Image()
		if _, live := im.Broker(id); !live && im.brokerConfigs[id].modRevision == 0 && len(im.brokerConfigs) >= brokerConfigsMax {
			return Refuse(ErrInvalidRequest, "%d brokers have settings, and no more may", brokerConfigsMax)
		}
		return validBroker(values)
	}
	now := func(im *Image) configMap { return im.brokerConfigs[id] }
	return c.alterBrokers(ctx, c.keys.brokerConfig(id), now, validate, set, unset, replaceAll, validateOnly)
}

func (c *Cluster) alterBrokers(ctx context.Context, key string, now func(*Image) configMap, validate func(map[string]string) error,
	set map[string]string, unset []string, replaceAll, validateOnly bool) error {
	return c.change(ctx, func(im *Image) decision {
		old := now(im)
		d := decision{compares: []Compare{{Key: key, ModRevision: old.modRevision}}, shrinks: len(set) == 0}
		values, err := alter(old.values, set, unset, replaceAll, validate)
		d.err = err
		if !validateOnly && !maps.Equal(values, old.values) {
			d.ops = []Op{Put(key, encode(values))}
		}
		return d
	})
}

// groupConfigsMax bounds the groups that have settings, as any name can be given some.
const groupConfigsMax = 10_000

// AlterGroupConfigs changes the settings of one consumer group, which need not be
// there. The layers are the brokers' settings that bound it.
func (c *Cluster) AlterGroupConfigs(ctx context.Context, group string, set map[string]string, unset []string, replaceAll, validateOnly bool, layers []settings.Layer) error {
	switch {
	case group == "":
		return Refuse(ErrInvalidRequest, "Default group resources are not allowed.")
	case len(group) > groupIDBytesMax:
		return Refuse(ErrInvalidRequest, "The group's name has %d bytes, and may have %d", len(group), groupIDBytesMax)
	}
	key := c.keys.groupConfig(group)
	validate := func(values map[string]string) error {
		return refuseConfigs(settings.ValidateGroup(values, layers...), ErrInvalidConfig)
	}
	return c.change(ctx, func(im *Image) decision {
		old := im.groupConfigs[group]
		d := decision{compares: []Compare{{Key: key, ModRevision: old.modRevision}}, shrinks: len(set) == 0}
		var values map[string]string
		values, d.err = alter(old.values, set, unset, replaceAll, validate)
		switch {
		case d.err != nil || validateOnly || maps.Equal(values, old.values):
		case len(values) == 0:
			d.ops = []Op{Delete(key)}
		case old.modRevision == 0 && len(im.groupConfigs) >= groupConfigsMax:
			d.err = Refuse(ErrInvalidRequest, "%d groups have settings, and no more may", groupConfigsMax)
		default:
			d.ops = []Op{Put(key, encode(values))}
		}
		return d
	})
}

// groupIDBytesMax is the longest group id that can have settings, as it is a part of a key.
const groupIDBytesMax = 1024

// alter makes new settings of old ones, and validates the outcome.
func alter(old, set map[string]string, unset []string, replaceAll bool, validate func(map[string]string) error) (map[string]string, error) {
	values := make(map[string]string)
	if !replaceAll {
		maps.Copy(values, old)
	}
	for _, name := range unset {
		if _, ok := set[name]; ok {
			return nil, fmt.Errorf("%w: %s is both set and unset", ErrInvalidRequest, name)
		}
		delete(values, name)
	}
	maps.Copy(values, set)
	if err := checkLengths(set); err != nil {
		return nil, err
	}
	return values, validate(values)
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
			return Refuse(ErrInvalidConfig, "The value of %s has %d bytes, and may have %d", name, n, most)
		}
	}
	return nil
}

// validTopic and its like refuse what the settings refuse, as a request that is refused.
func validTopic(values map[string]string) error {
	return refuseConfigs(settings.Validate(values), ErrInvalidConfig)
}

// validBroker: of a broker's settings a bad value is to Kafka, too, a request that makes no sense.
func validBroker(values map[string]string) error {
	return refuseConfigs(settings.ValidateBroker(values), ErrInvalidRequest)
}

func validCluster(values map[string]string) error {
	return refuseConfigs(settings.ValidateCluster(values), ErrInvalidRequest)
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
		return Refuse(ErrInvalidRequest, "%v", err)
	case errors.As(err, &bad):
		return Refuse(badValue, "%v", err)
	default:
		return Refuse(ErrInvalidConfig, "%v", err)
	}
}
