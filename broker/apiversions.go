package broker

import (
	"regexp"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/protocol"
)

// conflictFeature is what the extended producer looks for before it starts.
const (
	conflictFeature    = "conflict.version"
	conflictVersionMin = 1
	conflictVersionMax = 1
)

// groupFeature at level 1 says that groups may be of the consumer protocol
// (KIP-848). It is always in force.
const (
	groupFeature    = "group.version"
	groupVersionMin = 0
	groupVersionMax = 1
)

// featureLevelZero is the version of ApiVersions from which on a feature's range
// may begin at 0: Java clients that ask for less do not bear it (KIP-1022).
const featureLevelZero = 4

var _ = serves(protocol.KeyApiVersions, (*Server).apiVersions)

// softwareName is what KIP-511 allows as a client's name and version.
var softwareName = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$`)

func (s *Server) apiVersions(x *exchange, req *kmsg.ApiVersionsRequest) kmsg.Response {
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
	f := kmsg.NewApiVersionsResponseSupportedFeature()
	f.Name, f.MinVersion, f.MaxVersion = conflictFeature, conflictVersionMin, conflictVersionMax
	resp.SupportedFeatures = append(resp.SupportedFeatures, f)
	f.Name, f.MinVersion, f.MaxVersion = groupFeature, groupVersionMin, groupVersionMax
	if req.Version < featureLevelZero {
		f.MinVersion = 1
	}
	resp.SupportedFeatures = append(resp.SupportedFeatures, f)
	final := kmsg.NewApiVersionsResponseFinalizedFeature()
	final.Name, final.MinVersionLevel, final.MaxVersionLevel = groupFeature, groupVersionMax, groupVersionMax
	resp.FinalizedFeaturesEpoch, resp.FinalizedFeatures = 0, append(resp.FinalizedFeatures, final)
	return resp
}

// refusedApiVersions answers a version that is not served.
func refusedApiVersions() kmsg.Response {
	resp := kmsg.NewPtrApiVersionsResponse()
	api, _ := protocol.Lookup(protocol.KeyApiVersions)
	k := kmsg.NewApiVersionsResponseApiKey()
	k.ApiKey, k.MinVersion, k.MaxVersion = api.Key, api.Min, api.Max
	resp.ErrorCode, resp.ApiKeys = kerr.UnsupportedVersion.Code, []kmsg.ApiVersionsResponseApiKey{k}
	return resp
}
