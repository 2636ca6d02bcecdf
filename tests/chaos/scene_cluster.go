//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/subjects"
)

// The cluster in one round.
const (
	blackouts    = 2                // kills of all nodes at once
	currentLimit = 60 * time.Second // until a node has caught up
)

// playCluster kills and partitions each of three nodes in turn. The other two
// have a quorum: messages must be taken again while the node is away. Then all
// three are killed at once, and again: what a copy made of its files at the
// first start shows at the second. Whatever goes wrong, what was acknowledged
// is looked for.
func playCluster(w *world) error {
	nodes, cut, err := w.newCluster()
	if err != nil {
		return err
	}
	var urls []string
	for _, n := range nodes {
		urls = append(urls, "nats://"+n.client.addr())
		if err := w.startNode(n); err != nil {
			return err
		}
	}
	w.nats = []string{"ASSAYBUS_NATS_URL=" + strings.Join(urls, ","), "ASSAYBUS_REPLICAS=3", "ASSAYBUS_STORE_MAX=1GiB"}
	if err := await(w.ctx, currentLimit, func() error { return placeable(w.ctx, nodes[0]) }); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	if err := w.begin(); err != nil {
		return err
	}
	return errors.Join(w.strikeCluster(nodes, cut), w.finish())
}

func (w *world) strikeCluster(nodes []*node, cut [][]*proxy) error {
	caughtUp := func() error {
		return await(w.ctx, currentLimit, func() error { return current(w.ctx, nodes) })
	}
	for n, node := range nodes {
		// The partition first: a kill moves the bridge to another node, and the
		// node that the bridge stands on must be partitioned at least once.
		for _, p := range cut[n] {
			p.partition()
		}
		away := w.over()
		for _, p := range cut[n] {
			p.heal()
		}
		if away != nil {
			return fmt.Errorf("node %s partitioned: %w", node.name, away)
		}
		if err := caughtUp(); err != nil {
			return fmt.Errorf("node %s after its partition: %w", node.name, err)
		}
		if err := node.process.kill(); err != nil {
			return err
		}
		if err := w.over(); err != nil {
			return fmt.Errorf("node %s killed: %w", node.name, err)
		}
		if err := w.startNode(node); err != nil {
			return err
		}
		if err := caughtUp(); err != nil {
			return fmt.Errorf("node %s restarted: %w", node.name, err)
		}
	}
	for range blackouts {
		if err := w.blackout(nodes); err != nil {
			return err
		}
		if err := caughtUp(); err != nil {
			return fmt.Errorf("all nodes restarted: %w", err)
		}
	}
	return nil
}

// blackout kills all nodes at once and starts them again.
func (w *world) blackout(nodes []*node) error {
	for _, n := range nodes {
		if err := n.process.kill(); err != nil {
			return err
		}
	}
	if err := w.ready(false, readyLimit); err != nil {
		return fmt.Errorf("while all nodes are dead: %w", err)
	}
	for _, n := range nodes {
		if err := w.startNode(n); err != nil {
			return err
		}
	}
	if err := w.over(); err != nil {
		return fmt.Errorf("after all nodes were killed: %w", err)
	}
	return nil
}

// newCluster makes three nodes with a proxy for every pair; cut[n] are the
// proxies on all ways to and from node n.
func (w *world) newCluster() (nodes []*node, cut [][]*proxy, err error) {
	for n := range 3 {
		node, err := w.newNode(fmt.Sprintf("n%d", n+1), true)
		if err != nil {
			return nil, nil, err
		}
		nodes = append(nodes, node)
		cut = append(cut, []*proxy{node.client})
	}
	for from, a := range nodes {
		for to, b := range nodes {
			if from == to {
				continue
			}
			p, err := w.newProxy(b.cluster)
			if err != nil {
				return nil, nil, err
			}
			a.routes = append(a.routes, "nats://"+p.addr())
			cut[from], cut[to] = append(cut[from], p), append(cut[to], p)
		}
	}
	return nodes, cut, nil
}

// elected is nil when the cluster has a leader that answers for JetStream.
func elected(ctx context.Context, n *node) error {
	return ask(ctx, n, func(ctx context.Context, js jetstream.JetStream) error {
		_, err := js.AccountInfo(ctx)
		return err
	})
}

// placeable is nil when the cluster has three peers for a stream: it is asked
// to make one, which is removed again.
func placeable(ctx context.Context, n *node) error {
	return ask(ctx, n, func(ctx context.Context, js jetstream.JetStream) error {
		const probe = "PROBE"
		if _, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: probe, Subjects: []string{"probe"}, Replicas: 3}); err != nil {
			return err
		}
		return js.DeleteStream(ctx, probe)
	})
}

var errBehind = errors.New("a copy is behind")

// current is nil when every node answers and every copy of the streams of
// custody has caught up.
func current(ctx context.Context, nodes []*node) error {
	for _, n := range nodes {
		if err := elected(ctx, n); err != nil {
			return fmt.Errorf("node %s: %w", n.name, err)
		}
	}
	return ask(ctx, nodes[0], func(ctx context.Context, js jetstream.JetStream) error {
		for _, name := range []string{subjects.StreamRaw, subjects.StreamParsed} {
			s, err := js.Stream(ctx, name)
			if err != nil {
				return err
			}
			c := s.CachedInfo().Cluster
			if c == nil || c.Leader == "" || len(c.Replicas) != len(nodes)-1 {
				return fmt.Errorf("stream %s: %w", name, errBehind)
			}
			for _, r := range c.Replicas {
				if !r.Current || r.Offline {
					return fmt.Errorf("stream %s on %s: %w", name, r.Name, errBehind)
				}
			}
		}
		return nil
	})
}
