package protocol

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestVersionsTableIsSortedAndLooksUpEveryRow(t *testing.T) {
	table := APIs()
	equal(t, true, slices.IsSortedFunc(table, func(a, b API) int { return int(a.Key) - int(b.Key) }))
	for _, want := range table {
		got, ok := Lookup(want.Key)
		equal(t, true, ok)
		equal(t, want, got)
	}
	_, ok := Lookup(4)
	equal(t, false, ok)
}

func TestVersionsTableAgreesWithKmsg(t *testing.T) {
	for _, api := range APIs() {
		req := kmsg.RequestForKey(api.Key)
		for v := api.Min; v <= api.Max; v++ {
			req.SetVersion(v)
			equal(t, req.IsFlexible(), api.Flexible(v))
			equal(t, v >= api.ServeMin, api.Serves(v))
		}
		if api.Min > api.ServeMin || api.ServeMin > api.Max || api.Max > req.MaxVersion() || api.Serves(api.Max+1) {
			t.Errorf("row %+v", api)
		}
	}
}

func TestProduceIsListedFromZeroAndServedFromThree(t *testing.T) {
	api, _ := Lookup(KeyProduce)
	equal(t, API{KeyProduce, "Produce", 0, 12, 3, 9}, api)
}
