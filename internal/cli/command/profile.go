package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"go.yaml.in/yaml/v3"
)

const (
	envProfile  = "LOCKSTEP_PROFILE"
	envProfiles = "LOCKSTEP_PROFILES"
)

// Profile is a cluster that has a name in the file of profiles: what would else be typed
// with each command. A password is never in it, only the file that it is in.
type Profile struct {
	Brokers       string            `yaml:"brokers,omitempty" json:"brokers,omitempty"`
	TLS           bool              `yaml:"tls,omitempty" json:"tls,omitempty"`
	CA            string            `yaml:"ca,omitempty" json:"ca,omitempty"`
	Cert          string            `yaml:"cert,omitempty" json:"cert,omitempty"`
	Key           string            `yaml:"key,omitempty" json:"key,omitempty"`
	Mechanism     string            `yaml:"sasl_mechanism,omitempty" json:"sasl_mechanism,omitempty"`
	User          string            `yaml:"user,omitempty" json:"user,omitempty"`
	PasswordFile  string            `yaml:"password_file,omitempty" json:"password_file,omitempty"`
	CommandConfig string            `yaml:"command_config,omitempty" json:"command_config,omitempty"`
	Properties    map[string]string `yaml:"properties,omitempty" json:"properties,omitempty"`
}

// ProfilesFile is where profiles are: LOCKSTEP_PROFILES, or lockstep/profiles.yaml where
// programs of the user keep their settings.
func ProfilesFile(s *Streams) (string, error) {
	if path := s.getenv(envProfiles); path != "" {
		return path, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("no place for profiles: %w; set %s", err, envProfiles)
	}
	return filepath.Join(dir, "lockstep", "profiles.yaml"), nil
}

// ReadProfiles reads them; none if there is no file.
func ReadProfiles(path string) (map[string]Profile, error) {
	all := map[string]Profile{}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d := yaml.NewDecoder(f)
	d.KnownFields(true)
	if err := d.Decode(&all); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return all, nil
}

// WriteProfiles replaces the file.
func WriteProfiles(path string, all map[string]Profile) error {
	b, err := yaml.Marshal(all)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// named finds the profile that a command goes by; nil: none.
func (s *Security) named(env *Streams) (*Profile, error) {
	if s.profile == "" {
		return nil, nil
	}
	path, err := ProfilesFile(env)
	if err != nil {
		return nil, err
	}
	all, err := ReadProfiles(path)
	if err != nil {
		return nil, err
	}
	p, ok := all[s.profile]
	if !ok {
		names := make([]string, 0, len(all))
		for name := range all {
			names = append(names, name)
		}
		slices.Sort(names)
		return nil, fmt.Errorf("there is no profile %q in %s; there are %v", s.profile, path, names)
	}
	return &p, nil
}

// fill takes from a profile what no stronger place has said.
func (s *Security) fill(p *Profile) error {
	weakly := func(to *string, value string) {
		if *to == "" {
			*to = value
		}
	}
	s.tls = s.tls || p.TLS
	weakly(&s.ca, p.CA)
	weakly(&s.cert, p.Cert)
	weakly(&s.key, p.Key)
	weakly(&s.mechanism, p.Mechanism)
	weakly(&s.user, p.User)
	if s.password == "" {
		weakly(&s.passwordFile, p.PasswordFile)
	}
	for name, value := range p.Properties {
		if known, err := s.property(name, value); err != nil {
			return fmt.Errorf("profile %s: %s: %w", s.profile, name, err)
		} else if !known {
			return fmt.Errorf("profile %s: property %s is not known here", s.profile, name)
		}
	}
	if p.CommandConfig != "" && s.file == "" {
		return s.propertyFile(p.CommandConfig)
	}
	return nil
}
