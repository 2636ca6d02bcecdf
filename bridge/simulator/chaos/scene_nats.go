//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/assaybus/assaybus/subjects"
)

// The external bus in one round.
const (
	outages      = 2                // kills and partitions of the single server, each
	outage       = 2 * time.Second  // how long it is gone
	partition    = 4 * time.Second  // longer than the patience of bridge and analyzers
	currentLimit = 30 * time.Second // until a node has caught up
)

// node is a nats-server of the harness behind proxies.
type node struct {
	name    string
	listen  string // where it really listens
	cluster string
	routes  []string // proxies to the other nodes
	client  *proxy
	data    string
	process *process
}

// startNode runs the node on its folder.
func (w *world) startNode(n *node) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	args := []string{natsCommand, "-name", n.name, "-listen", n.listen, "-data", n.data}
	if n.cluster != "" {
		args = append(args, "-cluster", n.cluster, "-routes", strings.Join(n.routes, ","))
	}
	n.process, err = w.procs.start(n.name, self, args, nil, filepath.Join(w.folder, n.name+".log"))
	return err
}

// newNode finds the ports of a node and puts a proxy before its clients.
func (w *world) newNode(name string, clustered bool) (*node, error) {
	n := &node{name: name, data: filepath.Join(w.folder, name)}
	var err error
	if n.listen, err = freePort(w.rand); err != nil {
		return nil, err
	}
	if clustered {
		if n.cluster, err = freePort(w.rand); err != nil {
			return nil, err
		}
	}
	n.client, err = w.newProxy(n.listen)
	return n, err
}

// newProxy is one that ends with the world.
func (w *world) newProxy(target string) (*proxy, error) {
	p, err := newProxy(target)
	if err == nil {
		w.undo = append(w.undo, p.close)
	}
	return p, err
}

// playExternal kills and partitions a single server.
func playExternal(w *world) error {
	n, err := w.newNode("nats", false)
	if err != nil {
		return err
	}
	w.nats = []string{"ASSAYBUS_NATS_URL=nats://" + n.client.addr(), "ASSAYBUS_STORE_MAX=1GiB"}
	if err := w.startNode(n); err != nil {
		return err
	}
	if err := w.begin(); err != nil {
		return err
	}
	for range outages {
		if err := n.process.kill(); err != nil {
			return err
		}
		if err := w.ready(false, readyLimit); err != nil {
			return fmt.Errorf("while the server is dead: %w", err)
		}
		if !pause(w.ctx, outage) {
			return w.ctx.Err()
		}
		if err := w.startNode(n); err != nil {
			return err
		}
		if err := w.over(); err != nil {
			return fmt.Errorf("after the server's restart: %w", err)
		}
		n.client.partition()
		if !pause(w.ctx, partition) {
			return w.ctx.Err()
		}
		n.client.heal()
		if err := w.over(); err != nil {
			return fmt.Errorf("after the partition: %w", err)
		}
	}
	return w.finish()
}

// playCluster kills and partitions each of three nodes in turn. The other two
// have a quorum: messages must be taken again while the node is away.
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
		if err := await(w.ctx, currentLimit, func() error { return current(w.ctx, nodes) }); err != nil {
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
		if err := await(w.ctx, currentLimit, func() error { return current(w.ctx, nodes) }); err != nil {
			return fmt.Errorf("node %s restarted: %w", node.name, err)
		}
	}
	return w.finish()
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

// ask calls f with JetStream of one node, past its proxy.
func ask(ctx context.Context, n *node, f func(context.Context, jetstream.JetStream) error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	nc, err := nats.Connect("nats://"+n.listen, nats.Timeout(time.Second))
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	return f(ctx, js)
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
