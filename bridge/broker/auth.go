package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/subjects"
)

// The roles of users of the embedded server. Each may do what its work needs
// and nothing else.
const (
	roleBridge   = "bridge"   // what assaybus itself does: publish, create and read the streams
	roleConsumer = "consumer" // read and acknowledge one durable consumer
	roleMonitor  = "monitor"  // hear link events, ask how full the streams are
)

// internalUser is who this process is; its password lives in this process only.
const internalUser = "assaybus"

// user is one entry of the users file.
type user struct {
	Name     string `yaml:"name"`
	Password string `yaml:"password"` // plain, or bcrypt ($2a$...)
	Role     string `yaml:"role"`
	Stream   string `yaml:"stream"`  // of a consumer: LAB_PARSED when empty
	Durable  string `yaml:"durable"` // of a consumer: the user's name when empty
}

const minPassword = 12

// names are tokens of subjects, which permissions are made of.
func goodName(s string) bool { return regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`).MatchString(s) }

// readUsers reads the users file; its errors never hold a password.
func readUsers(path string) ([]user, error) {
	text, err := readSecret("ASSAYBUS_NATS_USERS", path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Users []user `yaml:"users"`
	}
	if err := yaml.UnmarshalWithOptions(text, &file, yaml.Strict()); err != nil {
		var at yaml.Error // its text quotes the file
		if errors.As(err, &at) && at.GetToken() != nil {
			p := at.GetToken().Position
			return nil, fmt.Errorf("ASSAYBUS_NATS_USERS: %s:%d:%d: not understood; write `users:` and a list of {name, password, role, stream, durable}", path, p.Line, p.Column)
		}
		return nil, fmt.Errorf("ASSAYBUS_NATS_USERS: %s: not understood; write `users:` and a list of {name, password, role, stream, durable}", path)
	}
	if len(file.Users) == 0 {
		return nil, fmt.Errorf("ASSAYBUS_NATS_USERS: %s names no user; write `users:` and a list", path)
	}
	seen := map[string]bool{internalUser: true}
	for n := range file.Users {
		u := &file.Users[n]
		if u.Role == roleConsumer {
			u.Stream, u.Durable = or(u.Stream, subjects.StreamParsed), or(u.Durable, u.Name)
		}
		if err := u.check(); err != nil {
			return nil, fmt.Errorf("ASSAYBUS_NATS_USERS: %s: user %d: %w", path, n+1, err)
		}
		if seen[u.Name] {
			return nil, fmt.Errorf("ASSAYBUS_NATS_USERS: %s: user %d: the name %s is taken", path, n+1, u.Name)
		}
		seen[u.Name] = true
	}
	return file.Users, nil
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

func (u user) check() error {
	consumes := u.Role == roleConsumer
	switch {
	case !goodName(u.Name):
		return errors.New("name must be 1 to 64 letters, digits, _ or -")
	case len(u.Password) < minPassword:
		return fmt.Errorf("password must be at least %d characters, plain or bcrypt", minPassword)
	case !slices.Contains([]string{roleBridge, roleConsumer, roleMonitor}, u.Role):
		return fmt.Errorf("role must be %s, %s or %s (got %q)", roleBridge, roleConsumer, roleMonitor, u.Role)
	case !consumes && u.Stream+u.Durable != "":
		return fmt.Errorf("stream and durable are for the role %s", roleConsumer)
	case consumes && u.Stream != subjects.StreamParsed && u.Stream != subjects.StreamRaw:
		return fmt.Errorf("stream must be %s or %s (got %q)", subjects.StreamParsed, subjects.StreamRaw, u.Stream)
	case consumes && !goodName(u.Durable):
		return errors.New("durable must be 1 to 64 letters, digits, _ or -")
	}
	return nil
}

// inbox is the prefix of the subjects where u gets answers: nobody else may
// listen there.
func (u user) inbox() string {
	if u.Role == roleBridge {
		return "_INBOX.>"
	}
	return "_INBOX_" + u.Name + ".>"
}

// permissions are the least that the role needs (nats.md §9).
func (u user) permissions() *server.Permissions {
	var publish []string
	subscribe := []string{u.inbox()}
	p := &server.Permissions{}
	switch u.Role {
	case roleBridge:
		publish = []string{
			subjects.AllRaw, subjects.AllParsed, subjects.AllFailed, subjects.AllLink, subjects.AllOpen, subjects.AllState, "labsvc.>",
			"$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST",
			"$JS.API.STREAM.PURGE." + subjects.StreamOpen,
		}
		for _, s := range []string{subjects.StreamRaw, subjects.StreamParsed, subjects.StreamLink, subjects.StreamOpen} {
			publish = append(publish,
				"$JS.API.STREAM.CREATE."+s, "$JS.API.STREAM.UPDATE."+s, "$JS.API.STREAM.INFO."+s,
				"$JS.API.STREAM.MSG.GET."+s, "$JS.API.DIRECT.GET."+s, "$JS.API.DIRECT.GET."+s+".>",
				"$JS.API.CONSUMER.*."+s, "$JS.API.CONSUMER.*."+s+".>", "$JS.API.CONSUMER.MSG.NEXT."+s+".>",
				"$JS.API.CONSUMER.DURABLE.CREATE."+s+".>",
				"$JS.ACK."+s+".>", "$JS.ACK.*.*."+s+".>", "$JS.FC."+s+".>")
		}
		subscribe = append(subscribe, "labsvc.>", "$SRV.>", subjects.AllLink)
		p.Response = &server.ResponsePermission{MaxMsgs: server.DEFAULT_ALLOW_RESPONSE_MAX_MSGS, Expires: time.Minute}
	case roleConsumer:
		publish = []string{
			"$JS.API.CONSUMER.INFO." + u.Stream + "." + u.Durable,
			"$JS.API.CONSUMER.MSG.NEXT." + u.Stream + "." + u.Durable,
			"$JS.ACK." + u.Stream + "." + u.Durable + ".>", "$JS.ACK.*.*." + u.Stream + "." + u.Durable + ".>",
		}
	case roleMonitor:
		publish = []string{"$JS.API.STREAM.NAMES"}
		for _, s := range []string{subjects.StreamRaw, subjects.StreamParsed, subjects.StreamLink} {
			publish = append(publish, "$JS.API.STREAM.INFO."+s)
		}
		subscribe = append(subscribe, subjects.AllLink)
	}
	p.Publish = &server.SubjectPermission{Allow: publish}
	p.Subscribe = &server.SubjectPermission{Allow: subscribe}
	return p
}

// accounts are the users of the embedded server, this process among them.
type accounts struct {
	users    []user
	password string // of internalUser
}

// openAccounts is nil without a users file.
func openAccounts(path string) (*accounts, error) {
	if path == "" {
		return nil, nil
	}
	users, err := readUsers(path)
	if err != nil {
		return nil, err
	}
	return &accounts{users: users, password: rand.Text()}, nil
}

func (a *accounts) server() []*server.User {
	if a == nil {
		return nil
	}
	list := []*server.User{{Username: internalUser, Password: a.password, Permissions: user{Name: internalUser, Role: roleBridge}.permissions()}}
	for _, u := range a.users {
		list = append(list, &server.User{Username: u.Name, Password: u.Password, Permissions: u.permissions()})
	}
	return list
}

// login is how this process's own connection says who it is.
func (a *accounts) login() []nats.Option {
	if a == nil {
		return nil
	}
	return []nats.Option{nats.UserInfo(internalUser, a.password)}
}

// ensureDurables creates the consumers that users may read but not create.
// One that is there stays as it is.
func (b *Bus) ensureDurables(ctx context.Context) error {
	if b.srv == nil || b.srv.users == nil {
		return nil
	}
	for _, u := range b.srv.users.users {
		if u.Role != roleConsumer {
			continue
		}
		_, err := b.js.Consumer(ctx, u.Stream, u.Durable)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			_, err = b.js.CreateConsumer(ctx, u.Stream, jetstream.ConsumerConfig{Durable: u.Durable, AckPolicy: jetstream.AckExplicitPolicy})
		}
		if err != nil {
			return fmt.Errorf("consumer %s of stream %s for user %s: %w; it must be a pull consumer: remove it or name another durable in ASSAYBUS_NATS_USERS", u.Durable, u.Stream, u.Name, err)
		}
	}
	return nil
}
