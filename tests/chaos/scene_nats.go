//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The external bus in one round.
const (
	outages   = 2               // kills and partitions of the single server, each
	outage    = 2 * time.Second // how long it is gone
	partition = 4 * time.Second // longer than the patience of bridge and analyzers
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
