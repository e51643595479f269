package quota

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Of all limits that could hold, the most particular does: the order is what was seen
// of Apache Kafka 4.3.1, pair by pair.
func TestTheMostParticularLimitHolds(t *testing.T) {
	u, c, none := Named("u"), Named("c"), Part{}
	order := []Entity{{u, c}, {u, Default}, {u, none}, {Default, c}, {Default, Default}, {Default, none}, {none, c}, {none, Default}}
	var s *Set
	if _, _, ok := s.Resolve(ProducerByteRate, "u", "c"); ok {
		t.Error("there is a limit in no set")
	}
	for i := len(order) - 1; i >= 0; i-- {
		before := s
		s = s.With(order[i], map[string]float64{ProducerByteRate: float64(i + 1)}, 1)
		if limit, _, _ := s.Resolve(ProducerByteRate, "u", "c"); limit != float64(i+1) {
			t.Errorf("with %+v: %v", order[i], limit)
		}
		if before.Size() != len(order)-1-i {
			t.Error("a set has changed")
		}
		if _, _, ok := s.Resolve(ConsumerByteRate, "u", "c"); ok {
			t.Error("one key's limit holds for another")
		}
	}
	if limit, counted, _ := s.Resolve(ProducerByteRate, "v", "d"); limit != 5 || counted != (Entity{Named("v"), Named("d")}) {
		t.Errorf("another client: %v, counted as %+v", limit, counted)
	}
	if _, counted, _ := s.With(Entity{u, c}, nil, 0).With(Entity{u, Default}, nil, 0).Resolve(ProducerByteRate, "u", "c"); counted != (Entity{User: u}) {
		t.Errorf("a user's limit is counted as %+v", counted)
	}
}

// Whoever waits as he is told uses no more than his limit, over any long time, and
// never waits longer than the window, however much he used before the limit was set.
func TestWhoWaitsStaysWithinTheLimit(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 5))
		limit := math.Exp(rng.Float64() * 15)
		var r Rate
		now, used, start := int64(1_000_000), 0.0, int64(1_000_000)
		for now < start+120_000 {
			amount := limit * rng.Float64() * 5
			used += amount
			wait := r.Use(amount, limit, now)
			if wait < 0 || wait > ThrottleMaxMs {
				t.Fatalf("seed %d: wait %d", seed, wait)
			}
			now += wait + int64(rng.IntN(300))
		}
		if most := limit * float64(now-start+2*windowMs+5000) / 1000; used > most {
			t.Errorf("seed %d: used %.0f, and %.0f was allowed", seed, used, most)
		}
		if wait := r.Use(limit*1e6, limit, now); wait != ThrottleMaxMs {
			t.Errorf("seed %d: after far too much: %d", seed, wait)
		}
		if r.Idle(now+windowMs) || !r.Idle(now+windowMs+1) {
			t.Error("idle")
		}
		if wait := r.Use(1, limit, now+2*windowMs); wait != 0 && limit > 1 {
			t.Errorf("seed %d: nothing is forgotten: %d", seed, wait)
		}
	}
}

// A burst of what the limit gives in ten seconds passes at once.
func TestABurstOfTenSecondsPasses(t *testing.T) {
	var r Rate
	if wait := r.Use(10_000, 1000, 5_000_000); wait != 0 {
		t.Errorf("wait %d", wait)
	}
	if wait := r.Use(5_000, 1000, 5_000_000); wait != 5000 {
		t.Errorf("wait %d, want 5000", wait)
	}
}

func TestLimitsThatMeanNothingAreRefused(t *testing.T) {
	for value, ok := range map[float64]bool{1: true, 0: false, -1: false, 1.5: false, math.Inf(1): false, 1e30: false, 1e9: true} {
		if err := CheckLimit(ProducerByteRate, value); (err == nil) != ok {
			t.Errorf("%v: %v", value, err)
		}
	}
	if CheckLimit(ProducerByteRate, math.NaN()) == nil || CheckLimit("fly_rate", 1) == nil {
		t.Error("taken")
	}
	for e, ok := range map[Entity]bool{{}: false, {User: Named("")}: false, {User: Default}: true, {ClientID: Named("c")}: true} {
		if err := e.Validate(); (err == nil) != ok {
			t.Errorf("%+v: %v", e, err)
		}
	}
}
