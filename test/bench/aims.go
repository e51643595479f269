package main

// aim is a ratio that the project has set itself. It holds in every workload
// named, for the whole extent of what was measured.
type aim struct {
	text      string
	label     string // what is measured
	base      string // against what
	figure    func(measurement) float64
	atMost    bool
	goal      float64
	workloads []string
}

var aims = []aim{
	{"CPU a request of 100 x 100 B against the floor", labelPlain, labelFloor, cost, true, 2,
		[]string{"batched/100B/nosync", "batched/100B/fsync"}},
	{"rate of 20 single durable records in flight against the floor", labelPlain, labelFloor, rate, false, 0.6,
		[]string{"single20/100B/fsync"}},
	{"rate with one lock against our own plain produce", labelLocks(1), labelPlain, rate, false, 0.9,
		[]string{"batched/100B/nosync", "batched/100B/fsync", "single20/100B/nosync", "single20/100B/fsync", "single1/100B/fsync"}},
	{"CPU a byte consumed against a bare sendfile loop", labelPlain, labelFloor, cost, true, 2,
		[]string{"consume/100B", "consume/1KiB"}},
}

// outcome is an aim in one workload.
type outcome struct {
	Aim      string  `json:"aim"`
	Workload string  `json:"workload"`
	Goal     float64 `json:"goal"`
	AtMost   bool    `json:"at_most"`
	Measured *spread `json:"measured,omitempty"`
	Verdict  string  `json:"verdict"`
}

func (r *report) aims() []outcome {
	var all []outcome
	for _, a := range aims {
		for _, id := range a.workloads {
			o := outcome{Aim: a.text, Workload: id, Goal: a.goal, AtMost: a.atMost, Verdict: "not measured"}
			if s, ok := r.cell(id, a.label).versus(r.cell(id, a.base), a.figure); ok {
				o.Measured, o.Verdict = &s, a.verdict(s)
			}
			all = append(all, o)
		}
	}
	return all
}

// verdict is open when the measurements lie on both sides of the goal.
func (a aim) verdict(s spread) string {
	good := func(v float64) bool { return a.atMost == (v < a.goal) || v == a.goal }
	switch {
	case good(s.Min) && good(s.Max):
		return "met"
	case good(s.Min) || good(s.Max):
		return "open"
	}
	return "missed"
}
