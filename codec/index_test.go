package codec_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/codectest/privacytest"
)

func TestIndexNames(t *testing.T) {
	if got, want := kinds().Names(), []string{"astm", "stars"}; !slices.Equal(got, want) {
		t.Errorf("Names = %v, want %v", got, want)
	}
	names := kinds().QuirkNames()
	if !slices.IsSorted(names) || !slices.Contains(names, "dim") || !slices.Contains(names, "no-checksum") {
		t.Errorf("QuirkNames = %v", names)
	}
	if k, err := kinds().Kind("stars"); err != nil || k.Name != "stars" {
		t.Errorf("Kind = %q, %v", k.Name, err)
	}
}

func TestIndexBuild(t *testing.T) {
	broken := errors.New("out of order")
	failing := codec.Index{{Name: "x", New: func(codec.Options) (codec.Protocol, error) { return nil, broken }}}
	for name, c := range map[string]struct {
		index    codec.Index
		protocol string
		quirks   []string
		want     string // in the error; empty = none
	}{
		"empty name is auto":      {kinds(), "", nil, ""},
		"auto":                    {kinds(), codec.Auto, []string{"dim", "no-checksum"}, ""},
		"fixed":                   {kinds(), "stars", []string{"dim"}, ""},
		"unknown protocol":        {kinds(), "poct", nil, "take auto, astm or stars"},
		"unknown quirk":           {kinds(), codec.Auto, []string{"no-chekcsum"}, `unknown quirk "no-chekcsum"`},
		"quirk of another one":    {kinds(), "stars", []string{"no-checksum"}, "stars knows dim"},
		"a protocol that refuses": {failing, "x", nil, "out of order"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := c.index.Build(c.protocol, codec.Options{Quirks: c.quirks})
			switch {
			case c.want == "" && (err != nil || p == nil):
				t.Errorf("Build = %v, %v", p, err)
			case c.want != "" && (err == nil || !strings.Contains(privacytest.Error(err), c.want)):
				t.Errorf("Build = %v, want an error with %q", err, c.want)
			}
		})
	}
	if _, err := kinds().Build("poct", codec.Options{}); !errors.Is(err, codec.ErrUnknownProtocol) {
		t.Errorf("Build = %v, want ErrUnknownProtocol", err)
	}
}
