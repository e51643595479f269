package client

import (
	"reflect"
	"testing"
	"time"
)

// zeroMeans says of each number of a client's options what 0 does when somebody
// gives it. What it could not mean is refused, and no 0 is taken for "not given".
var zeroMeans = map[string]struct {
	give  Option
	means string // "": it is refused
}{
	"batchBytes":     {give: BatchBytes(0)},
	"linger":         {Linger(0), "no wait for company, which is the default"},
	"inFlight":       {give: InFlight(0)},
	"buffered":       {give: Buffered(0)},
	"requestTimeout": {give: RequestTimeout(0)},
	"codec":          {Compression(""), "no compression, which is the default"},
}

func TestEveryNumberOfTheOptionsSaysWhatZeroMeans(t *testing.T) {
	isNumber := func(k reflect.Kind) bool { return k >= reflect.Int && k <= reflect.Float64 }
	of := reflect.TypeFor[options]()
	for i := range of.NumField() {
		name := of.Field(i).Name
		zero, said := zeroMeans[name]
		if !isNumber(of.Field(i).Type.Kind()) {
			continue
		}
		if !said {
			t.Errorf("it is not said what 0 means in %s", name)
			continue
		}
		o, err := newOptions([]Option{zero.give})
		switch {
		case zero.means == "" && err == nil:
			t.Errorf("%s: 0 is taken, for %v", name, reflect.ValueOf(o).Field(i))
		case zero.means != "" && (err != nil || !reflect.ValueOf(o).Field(i).IsZero()):
			t.Errorf("%s: 0 became %v, error %v", name, reflect.ValueOf(o).Field(i), err)
		}
	}
	for name := range zeroMeans {
		if _, ok := of.FieldByName(name); !ok {
			t.Errorf("there is no option %s", name)
		}
	}
}

// A view from offset 0 has read the first record; one that is told nothing has not.
func TestAViewTellsTheFirstOffsetFromNone(t *testing.T) {
	if from := newViewOptions([]ViewOption{From(0)}); from.basis != 0 {
		t.Errorf("a basis of 0 became %d", from.basis)
	}
	if unset := newViewOptions(nil); unset.basis != None {
		t.Errorf("no basis became %d", unset.basis)
	}
	if o, err := newOptions(nil); err != nil || o.requestTimeout != 10*time.Second || o.inFlight != 5 {
		t.Errorf("the defaults are %+v, error %v", o, err)
	}
}
