package broker

import (
	"regexp"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/protocol"
)

// feature is what a broker can do beyond the versions of its APIs. It is always in
// force, at its highest level.
type feature struct {
	name     string
	min, max int16
	// finalized: it is listed as in force, too, as clients expect of Kafka's.
	finalized bool
}

var features = []feature{
	{"conflict.version", 1, 1, false},   // what the extended producer looks for before it starts
	{"group.version", 0, 1, true},       // groups may be of the consumer protocol (KIP-848)
	{"transaction.version", 0, 2, true}, // a producer's epoch rises with each transaction (KIP-890)
}

// featureLevelZero is the version of ApiVersions from which on a feature's range
// may begin at 0: Java clients that ask for less do not bear it (KIP-1022).
const featureLevelZero = 4

// softwareName is what KIP-511 allows as a client's name and version.
var softwareName = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$`)

func (s *Server) apiVersions(x *transport.Exchange, req *kmsg.ApiVersionsRequest) kmsg.Response {
	resp := respond[*kmsg.ApiVersionsResponse](req)
	if req.Version >= 3 && !(softwareName.MatchString(req.ClientSoftwareName) && softwareName.MatchString(req.ClientSoftwareVersion)) {
		resp.ErrorCode = kerr.InvalidRequest.Code
		return resp
	}
	for _, api := range protocol.APIs() {
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MinVersion, k.MaxVersion = api.Key, api.Min, api.Max
		resp.ApiKeys = append(resp.ApiKeys, k)
	}
	resp.FinalizedFeaturesEpoch = 0
	for _, f := range features {
		out := kmsg.NewApiVersionsResponseSupportedFeature()
		out.Name, out.MinVersion, out.MaxVersion = f.name, f.min, f.max
		if req.Version < featureLevelZero {
			out.MinVersion = max(1, f.min)
		}
		resp.SupportedFeatures = append(resp.SupportedFeatures, out)
		if f.finalized {
			final := kmsg.NewApiVersionsResponseFinalizedFeature()
			final.Name, final.MinVersionLevel, final.MaxVersionLevel = f.name, f.max, f.max
			resp.FinalizedFeatures = append(resp.FinalizedFeatures, final)
		}
	}
	return resp
}

// refuseApiVersions answers a version that is not served, in the layout of version
// 0 and with its own row alone: clients choose their next try from it (KIP-511).
func (s *Server) refuseApiVersions(x *transport.Exchange) error {
	resp := kmsg.NewPtrApiVersionsResponse()
	api, _ := protocol.Lookup(protocol.KeyApiVersions)
	k := kmsg.NewApiVersionsResponseApiKey()
	k.ApiKey, k.MinVersion, k.MaxVersion = api.Key, api.Min, api.Max
	resp.ErrorCode, resp.ApiKeys = kerr.UnsupportedVersion.Code, []kmsg.ApiVersionsResponseApiKey{k}
	sendResponse(x, resp)
	return nil
}
