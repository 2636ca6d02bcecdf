package broker

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// connectExternal tries until ConnectTimeout: a server that is still starting
// is waited for, one that refuses us is not.
func (b *Bus) connectExternal(ctx context.Context) (*nats.Conn, error) {
	opts, err := b.externalOptions()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, b.c.ConnectTimeout)
	defer cancel()
	for {
		nc, err := nats.Connect(b.c.URL, opts...)
		switch {
		case err == nil:
			return nc, checkVersion(nc.ConnectedServerVersion())
		case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired),
			errors.Is(err, nats.ErrAuthRevoked), errors.Is(err, nats.ErrAccountAuthExpired):
			return nil, fmt.Errorf("nats %s: %w; check ASSAYBUS_NATS_CREDS and ASSAYBUS_NATS_TOKEN", redact(b.c.URL), err)
		case errors.Is(err, nats.ErrSecureConnRequired), errors.Is(err, nats.ErrSecureConnWanted), isTLS(err):
			return nil, fmt.Errorf("nats %s: %w; check ASSAYBUS_NATS_TLS_CA, _CERT and _KEY and that the URL says tls://", redact(b.c.URL), err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("nats %s: %w after %v; start the server, or check ASSAYBUS_NATS_URL and, if set, ASSAYBUS_NATS_CREDS", redact(b.c.URL), err, b.c.ConnectTimeout)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// settled repeats what a cluster did not answer for want of a leader, until
// ConnectTimeout: after a power cut its servers listen before they have elected
// one.
func (b *Bus) settled(ctx context.Context, ask func(context.Context) error) error {
	start, told := time.Now(), false
	for {
		err := ask(ctx)
		if b.srv != nil || !leaderless(err) || time.Since(start) > b.c.ConnectTimeout {
			return err
		}
		if !told {
			b.log.Warn("bus does not answer for its streams; waiting for its cluster to elect a leader", "bus", b.place(), "error", err)
			told = true
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// leaderless tells what a cluster says while it has no leader, or too few of
// its servers, for JetStream or one stream.
func leaderless(err error) bool {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return api.Code == 503 || api.ErrorCode == 10005 || api.ErrorCode == 10009
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout)
}

func (b *Bus) externalOptions() ([]nats.Option, error) {
	if strings.Contains(redact(b.c.URL), unreadable) { // url.Parse's own error would show the password
		return nil, errors.New("ASSAYBUS_NATS_URL: not a URL; write nats://host:port, and %XX for special characters in a password")
	}
	opts := append(b.options(),
		nats.Timeout(2*time.Second),
		// A partitioned server hangs up on nobody: it is left for the next of
		// the list after four to six seconds without an answer, not after minutes.
		nats.PingInterval(2*time.Second),
		nats.MaxPingsOutstanding(2),
		// Instruments are to be taken again within two seconds of its return.
		nats.ReconnectWait(500*time.Millisecond),
		nats.ReconnectJitter(250*time.Millisecond, 500*time.Millisecond))
	for name, path := range map[string]string{
		"ASSAYBUS_NATS_CREDS": b.c.Creds, "ASSAYBUS_NATS_TLS_CA": b.c.CA,
		"ASSAYBUS_NATS_TLS_CERT": b.c.Cert, "ASSAYBUS_NATS_TLS_KEY": b.c.Key,
	} {
		if path == "" {
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w; name a file this user may read", name, err)
		}
		f.Close()
	}
	if b.c.Creds != "" {
		opts = append(opts, nats.UserCredentials(b.c.Creds))
	}
	if b.c.CA != "" {
		opts = append(opts, nats.RootCAs(b.c.CA))
	}
	if b.c.Cert != "" {
		opts = append(opts, nats.ClientCert(b.c.Cert, b.c.Key))
	}
	return opts, nil
}

func isTLS(err error) bool {
	text := err.Error()
	return strings.Contains(text, "tls: ") || strings.Contains(text, "x509: ")
}

// checkVersion refuses servers before 2.12, which do not know the streams'
// settings.
func checkVersion(v string) error {
	var major, minor int
	if n, _ := fmt.Sscanf(v, "%d.%d", &major, &minor); n == 2 && (major > 2 || major == 2 && minor >= 12) {
		return nil
	}
	return fmt.Errorf("nats-server %s: 2.12 or newer is needed, 2.15 is recommended; upgrade the server", v)
}

const unreadable = "(unreadable URL)"

// redact is the URL list without user names, passwords and tokens.
func redact(urls string) string {
	list := strings.Split(urls, ",")
	for i, s := range list {
		s = strings.TrimSpace(s)
		if !strings.Contains(s, "://") {
			s = "nats://" + s
		}
		u, err := url.Parse(s)
		if err != nil {
			list[i] = unreadable
			continue
		}
		list[i] = u.Scheme + "://" + u.Host
	}
	return strings.Join(list, ",")
}
