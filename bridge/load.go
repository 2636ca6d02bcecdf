package bridge

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/assaybus/assaybus/codec"
)

// options are the keys that `defaults` may hold and every instrument may
// overrule.
type options struct {
	Protocol       string   `yaml:"protocol"`
	Timezone       string   `yaml:"timezone"`
	Charset        string   `yaml:"charset"`
	Fallback       string   `yaml:"charset_fallback"`
	Quirks         []string `yaml:"quirks"`
	MaxMessage     Size     `yaml:"max_message"`
	MaxFrame       Size     `yaml:"max_frame"`
	MessageTimeout Duration `yaml:"message_timeout"`
	IdleTimeout    Duration `yaml:"idle_timeout"`
	SilentAfter    Duration `yaml:"silent_after"`
	MaxConnections int      `yaml:"max_connections"`
	SpecimenPath   []string `yaml:"specimen_path"`
	CodeComponent  int      `yaml:"code_component"`
	DecimalComma   bool     `yaml:"decimal_comma"`
	ThousandsComma bool     `yaml:"thousands_comma"`
	Dedupe         bool     `yaml:"dedupe"`
	AckMode        string   `yaml:"ack_mode"`
	StoreFailure   string   `yaml:"store_failure"`
	Unparsable     string   `yaml:"unparsable"`
	CommitAck      string   `yaml:"mllp_commit_ack"`
	Continuation   string   `yaml:"dsc"`
	TLS            tlsSpec  `yaml:"tls"`
}

// spec is one instrument as it is written.
type spec struct {
	ID      string   `yaml:"id"`
	Name    string   `yaml:"name"`
	Listen  string   `yaml:"listen"`
	Dial    string   `yaml:"dial"`
	From    []string `yaml:"from"`
	Proxy   []string `yaml:"proxy_from"`
	Options options  `yaml:",inline"`
}

// MaxMessage is the largest max_message: raw and parsed must fit the bus's
// payload of 16 MiB with their headers.
const MaxMessage = 15 << 20

func standardOptions() options {
	return options{
		Protocol: codec.Auto, Timezone: "UTC", MaxMessage: codec.DefaultMaxMessage, MaxFrame: codec.DefaultMaxFrame,
		MessageTimeout: Duration(codec.DefaultMessageTimeout), MaxConnections: 8, Dedupe: true,
	}
}

// LoadFile reads the instruments file at path. The errors name the file, the
// line and the column.
func LoadFile(path string, protocols codec.Index) (*Registry, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("instruments file: %w (name it with ASSAYBUS_INSTRUMENTS)", err)
	}
	return Load(path, text, protocols)
}

// Load reads the text of an instruments file; name stands in the errors.
func Load(name string, text []byte, protocols codec.Index) (*Registry, error) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		return nil, placed(name, nil, err)
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		return nil, fmt.Errorf("%s: no instruments: write `instruments:` and a list", name)
	}
	var top struct {
		Defaults    ast.Node   `yaml:"defaults"`
		Instruments []ast.Node `yaml:"instruments"`
	}
	body := file.Docs[0].Body
	if err := yaml.NodeToValue(body, &top, yaml.Strict()); err != nil {
		return nil, placed(name, body, err)
	}
	defaults := standardOptions()
	if top.Defaults != nil {
		if err := yaml.NodeToValue(top.Defaults, &defaults, yaml.Strict()); err != nil {
			return nil, placed(name, top.Defaults, err)
		}
	}
	registry := &Registry{}
	for _, node := range top.Instruments {
		s := spec{Options: defaults}
		if err := yaml.NodeToValue(node, &s, yaml.Strict()); err != nil {
			return nil, placed(name, node, err)
		}
		i, err := s.build(protocols)
		if err == nil {
			err = registry.add(i)
		}
		if err != nil {
			return nil, placed(name, node, err)
		}
	}
	return registry, nil
}

// add takes one more instrument unless it clashes with those before it.
func (r *Registry) add(i *Instrument) error {
	if r.Instrument(i.ID) != nil {
		return fmt.Errorf("instrument id %q stands twice", i.ID)
	}
	all := slices.Concat(r.Instruments, []*Instrument{i})
	if err := (&Registry{Instruments: all}).listeners()[i.listenKey()].clash(); err != nil {
		return err
	}
	if err := portClash(all); err != nil {
		return err
	}
	r.Instruments = all
	return nil
}

// build checks s and makes the instrument.
func (s spec) build(protocols codec.Index) (*Instrument, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	from, err := prefixes("from", s.From)
	if err != nil {
		return nil, err
	}
	balancers, err := prefixes("proxy_from", s.Proxy)
	if err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(s.Options.Timezone)
	if err != nil {
		return nil, fmt.Errorf("timezone %q is not known: use a name such as Africa/Harare", s.Options.Timezone)
	}
	i := &Instrument{
		ID: s.ID, Name: s.Name, Listen: s.Listen, Dial: s.Dial, From: from, ProxyFrom: balancers,
		MaxConnections: s.Options.MaxConnections, IdleTimeout: time.Duration(s.Options.IdleTimeout), Dedupe: s.Options.Dedupe,
		Reject: s.Options.Unparsable == "reject", SilentAfter: time.Duration(s.Options.SilentAfter), spec: s,
		Options: codec.Options{
			Quirks: s.Options.Quirks, MaxMessage: int(s.Options.MaxMessage), MaxFrame: int(s.Options.MaxFrame), MessageTimeout: time.Duration(s.Options.MessageTimeout),
			Location: zone, Charset: s.Options.Charset, DecimalComma: s.Options.DecimalComma, ThousandsComma: s.Options.ThousandsComma, Fallback: s.Options.Fallback, SpecimenPath: s.Options.SpecimenPath,
			CodeComponent: s.Options.CodeComponent, AckMode: s.Options.AckMode, StoreFailure: s.Options.StoreFailure,
			CommitAck: s.Options.CommitAck, Continuation: s.Options.Continuation,
		},
	}
	if i.Protocol, err = protocols.Build(s.Options.Protocol, i.Options); err != nil {
		return nil, err
	}
	if i.Reject {
		if k, err := protocols.Kind(s.Options.Protocol); err != nil || !k.Rejects {
			return nil, fmt.Errorf("unparsable: reject needs a protocol that can say so, such as hl7 (got %s)", s.Options.Protocol)
		}
	}
	if i.tls, err = s.Options.TLS.build(s.Listen, s.Dial); err != nil {
		return nil, fmt.Errorf("instrument %q: %w", s.ID, err)
	}
	return i, nil
}

func (s spec) check() error {
	switch {
	case s.ID == "":
		return errors.New("instrument without an id: give it `id`")
	case (s.Listen == "") == (s.Dial == ""):
		return fmt.Errorf("instrument %q: give it either `listen` (it calls us) or `dial` (we call it)", s.ID)
	case s.Dial != "" && len(s.From)+len(s.Proxy) > 0:
		return fmt.Errorf("instrument %q: `from` and `proxy_from` are for instruments that call us", s.ID)
	case s.Options.MaxConnections < 1:
		return fmt.Errorf("instrument %q: max_connections is at least 1 (got %d)", s.ID, s.Options.MaxConnections)
	case s.Options.MaxMessage < 1024 || s.Options.MaxMessage > MaxMessage:
		return fmt.Errorf("instrument %q: max_message is 1KiB to %s (got %s)", s.ID, Size(MaxMessage), s.Options.MaxMessage)
	case s.Options.MaxFrame < 240 || s.Options.MaxFrame > s.Options.MaxMessage:
		return fmt.Errorf("instrument %q: max_frame is 240B to max_message (got %s)", s.ID, s.Options.MaxFrame)
	case s.Options.DecimalComma && s.Options.ThousandsComma:
		return fmt.Errorf("instrument %q: a comma is either decimal_comma or thousands_comma", s.ID)
	case s.Options.MessageTimeout < Duration(time.Second):
		return fmt.Errorf("instrument %q: message_timeout is at least 1s (got %s)", s.ID, s.Options.MessageTimeout)
	}
	for _, addr := range []string{s.Listen, s.Dial} {
		if addr == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return fmt.Errorf("instrument %q: address is host:port (got %q)", s.ID, addr)
		}
	}
	return s.checkWords()
}

// checkWords checks the keys that take one of a few words.
func (s spec) checkWords() error {
	words := []struct{ key, got, allowed string }{
		{"ack_mode", s.Options.AckMode, "auto original enhanced always_aa never"},
		{"store_failure", s.Options.StoreFailure, "close reject"},
		{"unparsable", s.Options.Unparsable, "accept reject"},
		{"mllp_commit_ack", s.Options.CommitAck, "off send expect both"},
		{"dsc", s.Options.Continuation, "hl7 separate"},
	}
	for _, w := range words {
		if w.got != "" && !strings.Contains(" "+w.allowed+" ", " "+w.got+" ") {
			return fmt.Errorf("instrument %q: %s is one of %s (got %q)", s.ID, w.key, w.allowed, w.got)
		}
	}
	return nil
}

// prefixes reads addresses and networks.
func prefixes(key string, from []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, f := range from {
		p, err := netip.ParsePrefix(f)
		if err != nil {
			a, err := netip.ParseAddr(f)
			if err != nil {
				return nil, fmt.Errorf("`%s` takes addresses and networks such as 10.1.2.0/24 (got %q)", key, f)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// placed puts file, line and column before err.
func placed(name string, node ast.Node, err error) error {
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		p := at.GetToken().Position
		return fmt.Errorf("%s:%d:%d: %s", name, p.Line, p.Column, at.GetMessage())
	}
	if node != nil && node.GetToken() != nil {
		p := node.GetToken().Position
		return fmt.Errorf("%s:%d:%d: %w", name, p.Line, p.Column, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}
