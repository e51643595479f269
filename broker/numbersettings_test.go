package broker

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// numbersFile is what Apache Kafka 4.3.1 answers to each of numbersAsked for each
// of its topic settings that is a number. To write it anew:
//
//	LOCKSTEP_KAFKA=HOST:PORT go test ./broker -run TestNumericTopicSettings
const numbersFile = "testdata/numeric-settings.txt"

var numbersAsked = []string{"0", "-1", "-2"}

// Zero and the numbers that often stand for "none" are set on a topic, one
// setting at a time; the code and the text must be those of Apache Kafka, or
// differ as here.
func TestNumericTopicSettingsAreTakenAndRefusedAsKafkaDoes(t *testing.T) {
	if kafka := os.Getenv("LOCKSTEP_KAFKA"); kafka != "" {
		if err := os.WriteFile(numbersFile, []byte(strings.Join(numberAnswers(t, kafka), "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	s, _ := startServer(t)
	raw, err := os.ReadFile(numbersFile)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSpace(string(raw)), "\n")
	got := numberAnswers(t, s.Addr(""))
	if len(got) != len(want) {
		t.Fatalf("%d answers, want %d", len(got), len(want))
	}
	for i := range want {
		setting, _, _ := strings.Cut(want[i], ": ")
		if w := cmp.Or(numbersOtherwise[setting], want[i]); got[i] != w {
			t.Errorf("got  %s\nwant %s", got[i], w)
		}
	}
}

// numbersOtherwise are the answers that are not Kafka's.
var numbersOtherwise = map[string]string{
	"min.cleanable.dirty.ratio=0": "min.cleanable.dirty.ratio=0: taken", // shown as it was set

	// Tests, and disks that are small, have small segments.
	"segment.bytes=0":  "segment.bytes=0: INVALID_CONFIG Invalid value 0 for configuration segment.bytes: Value must be at least 1024",
	"segment.bytes=-1": "segment.bytes=-1: INVALID_CONFIG Invalid value -1 for configuration segment.bytes: Value must be at least 1024",
	"segment.bytes=-2": "segment.bytes=-2: INVALID_CONFIG Invalid value -2 for configuration segment.bytes: Value must be at least 1024",
}

// numberAnswers asks the broker at addr for each number of each setting.
func numberAnswers(t *testing.T, addr string) (all []string) {
	w := dial(t, addr)
	w.createTopic("numbers", 1)
	defer ask[*kmsg.DeleteTopicsResponse](w, 6, deleteTopicRequest("numbers"))
	described := describeConfigsRequest(ofTopic, "numbers")
	described.Resources[0].ConfigNames = nil // all
	for _, d := range ask[*kmsg.DescribeConfigsResponse](w, 4, described).Resources[0].Configs {
		switch d.ConfigType {
		case kmsg.ConfigTypeInt, kmsg.ConfigTypeLong, kmsg.ConfigTypeDouble, kmsg.ConfigTypeShort:
		default:
			continue
		}
		if strings.HasPrefix(d.Name, "lock.") {
			continue // not Kafka's
		}
		for _, value := range numbersAsked {
			req := changeResourceRequest(ofTopic, "numbers", opSet, d.Name, value)
			r := ask[*kmsg.IncrementalAlterConfigsResponse](w, 1, req).Resources[0]
			answer := "taken"
			if err := kerr.TypedErrorForCode(r.ErrorCode); err != nil {
				answer = err.Message + " " + text(r.ErrorMessage)
			} else if shown := text(w.described(ofTopic, "numbers", d.Name).Value); shown != value {
				answer = "taken, described as " + shown
			}
			all = append(all, fmt.Sprintf("%s=%s: %s", d.Name, value, answer))
			w.change(ofTopic, "numbers", opDelete, d.Name, "")
		}
	}
	slices.Sort(all)
	return all
}
