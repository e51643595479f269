package broker

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lockstep-log/lockstep/broker/transport"
	"github.com/lockstep-log/lockstep/protocol"
)

// updateFeatures takes what is in force already, and refuses all else: a feature is in
// force with the brokers that have it, and nobody turns it on or off.
func (s *Server) updateFeatures(_ *transport.Exchange, req *kmsg.UpdateFeaturesRequest) kmsg.Response {
	resp := respond[*kmsg.UpdateFeaturesResponse](req)
	for i := range req.FeatureUpdates {
		if err := s.refuseUpdate(&req.FeatureUpdates[i]); err != nil {
			resp.ErrorCode, resp.ErrorMessage, resp.Results = kerr.InvalidUpdateVersion.Code, textOf(err), nil
			return resp
		}
		if req.Version < 2 {
			out := kmsg.NewUpdateFeaturesResponseResult()
			out.Feature = req.FeatureUpdates[i].Feature
			resp.Results = append(resp.Results, out)
		}
	}
	return resp
}

func (s *Server) refuseUpdate(u *kmsg.UpdateFeaturesRequestFeatureUpdate) error {
	why := s.whyNotUpdate(u)
	if why == "" {
		return nil
	}
	return fmt.Errorf("The update failed for all features since the following feature had an error: "+ //nolint:staticcheck // Kafka's words
		"Invalid update version %d for feature %s. %s", u.MaxVersionLevel, protocol.PrintableShort(u.Feature), why)
}

// whyNotUpdate is in Kafka's words where Kafka has some; "" = it is in force.
func (s *Server) whyNotUpdate(u *kmsg.UpdateFeaturesRequestFeatureUpdate) string {
	i := slices.IndexFunc(features, func(f feature) bool { return f.name == u.Feature })
	controller := s.cluster.Image().Controller
	switch {
	case i < 0 && u.MaxVersionLevel == 0:
		return fmt.Sprintf("Feature %s not found.", protocol.PrintableShort(u.Feature))
	case i < 0:
		return fmt.Sprintf("Local controller %d does not support this feature.", controller)
	case u.MaxVersionLevel < 0:
		return "A feature version cannot be less than 0."
	case u.MaxVersionLevel < features[i].min || u.MaxVersionLevel > features[i].max:
		return fmt.Sprintf("Local controller %d only supports versions %d-%d", controller, features[i].min, features[i].max)
	case u.MaxVersionLevel < features[i].max:
		return fmt.Sprintf("It is in force at %d on every broker, always.", features[i].max)
	}
	return ""
}
