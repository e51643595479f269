package sqlview

import (
	"reflect"
	"testing"
)

// zeroMeans says what 0 does in each number of the options.
var zeroMeans = map[string]string{"BatchRecords": "the default: no transaction applies 0 records"}

func TestEveryNumberOfTheOptionsSaysWhatZeroMeans(t *testing.T) {
	of := reflect.TypeFor[Options]()
	for i := range of.NumField() {
		f := of.Field(i)
		if k := f.Type.Kind(); k >= reflect.Int && k <= reflect.Float64 && zeroMeans[f.Name] == "" {
			t.Errorf("it is not said what 0 means in %s", f.Name)
		}
	}
	if got := (Options{}).withDefaults().BatchRecords; got != batchRecordsDefault {
		t.Errorf("0 records a transaction became %d", got)
	}
}
