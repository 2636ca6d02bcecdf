package bridge

import (
	"context"
	"math/rand/v2"
	"net"
	"time"
)

// dialer keeps the link to an instrument that we call: for ever, whatever
// happens.
type dialer struct {
	server *Server
	inst   *Instrument
	cancel context.CancelFunc
}

const (
	dialTimeout = 10 * time.Second
	goodLink    = time.Minute // a connection that lasted this long starts the back-off anew
)

func dial(ctx context.Context, s *Server, i *Instrument) *dialer {
	ctx, cancel := context.WithCancel(ctx)
	d := &dialer{server: s, inst: i, cancel: cancel}
	s.sessions.Go(func() { d.run(ctx) })
	return d
}

// close stops dialling; the connection that is open goes on to its end.
func (d *dialer) close() { d.cancel() }

func (d *dialer) run(ctx context.Context) {
	var wait backoff
	for ctx.Err() == nil {
		began := time.Now()
		if spoke := d.connect(ctx); spoke || time.Since(began) >= goodLink {
			wait.reset()
		}
		if ctx.Err() == nil {
			wait.pause(ctx)
		}
	}
}

// connect holds one connection from dial to hang-up and tells whether the
// instrument said anything: then it is alive, and what ended the link (a store
// that refused, a broken cable) is no reason to call less often.
func (d *dialer) connect(ctx context.Context) (spoke bool) {
	nd := net.Dialer{Timeout: dialTimeout, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: keepAlive, Interval: keepAlive / 2, Count: 4}}
	nc, err := nd.DialContext(ctx, "tcp", d.inst.Dial)
	if err != nil {
		if ctx.Err() == nil {
			d.server.board.status(d.inst).update(func(c *Counters) { c.State, c.Problem = StateWaiting, err.Error() })
			d.server.say.warn("dial:"+d.inst.ID, "instrument does not answer; trying again for ever", "instrument", d.inst.ID, "error", err)
		}
		return false
	}
	c, err := d.server.open(d.inst, nc)
	if err != nil {
		_ = nc.Close()
		d.server.say.warn("dial:"+d.inst.ID, "connection refused", "instrument", d.inst.ID, "error", err)
		return false
	}
	d.server.session(ctx, c)
	return c.spoke
}

// jitter spreads tries between half of d and d.
func jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1)
}
