package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/assaybus/assaybus/bridge"
)

// statusFlags are the flags of status.
type statusFlags struct {
	watch, json   bool
	url           string
	ca, cert, key string
}

// The bounds of status.
const (
	watchEvery    = 2 * time.Second
	statusTimeout = 5 * time.Second
	maxSnapshot   = 64 << 20 // bytes
)

// errAttention is the outcome of a status with something to look at.
var errAttention = errors.New("needs attention")

func newStatus() *cobra.Command {
	var f statusFlags
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Overview of a running bridge",
		Long: `Status asks a running assaybus serve for its snapshot and prints every
instrument with its state, last message and problems, and the store. It exits 1
when the store is ill or any instrument needs attention: refused, blocked,
silent, not reached, or with messages that failed within two hours.

The bridge is at ASSAYBUS_HTTP or --url; ASSAYBUS_HTTP_TOKEN is shown when it is
set. A page with TLS must have a certificate of an authority that this machine
knows, or of --ca; one that asks for a certificate is shown --cert with --key.
--json prints the snapshot, --watch prints anew every two seconds.`,
		Example: "  assaybus status\n  assaybus status --watch\n  assaybus status --json --url https://bridge:8600 | jq .instruments[].state\n  assaybus status --url https://bridge:8600 --ca lab-ca.pem --cert me.pem --key me.key",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.watch, "watch", false, "print anew every two seconds, until Ctrl-C")
	flags.BoolVar(&f.json, "json", false, "the snapshot as one JSON object")
	flags.StringVar(&f.url, "url", "", "where the bridge's page is")
	flags.StringVar(&f.ca, "ca", "", "file of the authorities of the page's certificate")
	flags.StringVar(&f.cert, "cert", "", "file of the certificate to show")
	flags.StringVar(&f.key, "key", "", "file of its key")
	return cmd
}

func (f *statusFlags) run(cmd *cobra.Command) error {
	c, err := loadConfig()
	if err != nil {
		return &usageError{err}
	}
	where, err := f.where(c)
	if err != nil {
		return err
	}
	client, err := f.client()
	if err != nil {
		return &usageError{err}
	}
	out := cmd.OutOrStdout()
	for {
		s, err := fetchSnapshot(cmd.Context(), client, where, c.HTTP_Token)
		switch {
		case f.watch && cmd.Context().Err() != nil:
			return nil
		case err != nil && !f.watch:
			return err
		case err != nil:
			fmt.Fprintf(out, "%v\n", err) // it may come back
		default:
			if err := f.put(out, s); err != nil {
				return err
			}
		}
		if !f.watch {
			return attention(s)
		}
		select {
		case <-cmd.Context().Done():
			return nil
		case <-time.After(watchEvery):
		}
	}
}

// where is the URL of the snapshot.
func (f *statusFlags) where(c config) (string, error) {
	base := f.url
	if base == "" {
		if c.HTTP == none {
			return "", usagef("ASSAYBUS_HTTP is none: the bridge has no page; name one with --url")
		}
		host, port, err := net.SplitHostPort(c.HTTP)
		if err != nil {
			return "", &usageError{err}
		}
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			host = "127.0.0.1" // all addresses: ours is one of them
		}
		base = "http://" + net.JoinHostPort(host, port)
		if c.HTTP_TLS.Cert != "" {
			base = "https://" + net.JoinHostPort(host, port)
		}
	}
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return "", usagef("--url must be http://host:port or https://host:port")
	}
	return u.JoinPath("api/snapshot").String(), nil
}

// fetchSnapshot asks the bridge.
func fetchSnapshot(ctx context.Context, client *http.Client, where, token string) (*bridge.Snapshot, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return nil, err
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%w; %s", err, unreached(err))
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized:
		return nil, fmt.Errorf("%s: it asks for a token: set ASSAYBUS_HTTP_TOKEN", where)
	default:
		return nil, fmt.Errorf("%s: %s; is this assaybus?", where, answer.Status)
	}
	var s bridge.Snapshot
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxSnapshot)).Decode(&s); err != nil {
		return nil, fmt.Errorf("%s: %w; is this assaybus of the same version?", where, err)
	}
	return &s, nil
}

// put prints s once.
func (f *statusFlags) put(w io.Writer, s *bridge.Snapshot) error {
	if f.json {
		return json.NewEncoder(w).Encode(s)
	}
	text := statusText(s)
	if f.watch {
		text = "\x1b[H\x1b[2J" + text // from the top of an empty screen
	}
	_, err := io.WriteString(w, text)
	return err
}

// attention is an error when somebody should look.
func attention(s *bridge.Snapshot) error {
	n := 0
	for i := range s.Instruments {
		if s.Instruments[i].Attention(s.At) != "" {
			n++
		}
	}
	switch {
	case !s.Store.Healthy:
		return fmt.Errorf("store: %w", errAttention)
	case n > 0:
		return fmt.Errorf("%s: %w", count(n, "instrument"), errAttention)
	}
	return nil
}

// statusText is the overview for a terminal. What came from elsewhere is made
// harmless for it.
func statusText(s *bridge.Snapshot) string {
	var b strings.Builder
	store := "taking messages"
	if !s.Store.Healthy {
		store = "REFUSING: " + shown(s.Store.Problem)
	}
	fmt.Fprintf(&b, "%s  assaybus %s at %s, store %s\n\n", s.At.Local().Format(time.DateTime), shown(s.Build.Version), shown(s.Site), store)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tinstrument\tstate\tlast message\ttoday\tproblems\t")
	for n := range s.Instruments {
		c := &s.Instruments[n]
		mark, why := " ", c.Attention(s.At)
		if why != "" {
			mark = "!"
		}
		last := "never"
		if !c.LastMessage.IsZero() {
			last = s.At.Sub(c.LastMessage).Truncate(time.Second).String() + " ago"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", mark, shown(c.Instrument), c.State, last, c.Hours.Today(s.At), c.Problems.Last(s.At, bridge.HistoryHours), shown(why))
	}
	_ = w.Flush() // a strings.Builder takes everything
	b.WriteString("\n")
	for _, st := range s.Streams {
		limit := ""
		if st.MaxBytes > 0 {
			limit = fmt.Sprintf(" of %s, %.0f %% full", bytesText(st.MaxBytes), 100*st.Fill())
		}
		missing := ""
		if st.Missing > 0 {
			missing = fmt.Sprintf(", %d MISSING OR DAMAGED", st.Missing)
		}
		fmt.Fprintf(&b, "  %-10s  %d messages, %s%s%s\n", shown(st.Name), st.Messages, bytesText(int64(st.Bytes)), limit, missing)
	}
	if s.Disk != nil {
		fmt.Fprintf(&b, "  %-10s  %s free\n", "disk", bytesText(s.Disk.Free))
	}
	return b.String()
}

// bytesText is a size with the unit that leaves few digits.
func bytesText(n int64) string {
	f, units := float64(n), []string{"B", "KiB", "MiB", "GiB", "TiB"}
	for len(units) > 1 && f >= 1024 {
		f, units = f/1024, units[1:]
	}
	return fmt.Sprintf("%.3g %s", f, units[0])
}
