//go:build unix

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// nodeReady is how long a nats-server may take to listen.
const nodeReady = 20 * time.Second

// runNode is `chaos nats`: a nats-server in a process of its own, so that it
// can be killed. It is what an operator would run, with sync_interval always.
func runNode(ctx context.Context, args []string, stderr io.Writer) error {
	var name, listen, data, cluster, routes string
	f := flag.NewFlagSet("chaos nats", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&name, "name", "n1", "of the server")
	f.StringVar(&listen, "listen", "127.0.0.1:4222", "for clients")
	f.StringVar(&data, "data", "", "folder of the store")
	f.StringVar(&cluster, "cluster", "", "host:port for the other nodes; empty = no cluster")
	f.StringVar(&routes, "routes", "", "where the other nodes are: nats://host:port,…")
	if err := f.Parse(args); err != nil {
		return err
	}
	host, port, err := hostPort(listen)
	if err != nil {
		return err
	}
	o := &server.Options{
		ServerName: name, Host: host, Port: port, NoSigs: true,
		JetStream: true, StoreDir: data, SyncAlways: true,
		JetStreamMaxStore: 1 << 30, JetStreamMaxMemory: 64 << 20,
		MaxPayload: 16 << 20, MaxPending: 64 << 20,
	}
	if cluster != "" {
		if host, port, err = hostPort(cluster); err != nil {
			return err
		}
		// The others must come through the harness's proxies, or a partition
		// would leak: what gossip tells them is a closed port.
		o.Cluster = server.ClusterOpts{Name: "chaos", Host: host, Port: port, NoAdvertise: true, Advertise: "127.0.0.1:1", PoolSize: -1}
		o.Routes = server.RoutesFromStr(routes)
	}
	s, err := server.NewServer(o)
	if err != nil {
		return err
	}
	s.ConfigureLogger()
	s.Start()
	if !s.ReadyForConnections(nodeReady) {
		return errors.New("not ready")
	}
	<-ctx.Done()
	s.Shutdown()
	s.WaitForShutdown()
	return nil
}

func hostPort(address string) (string, int, error) {
	host, p, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	port, err := strconv.Atoi(p)
	if err != nil {
		return "", 0, fmt.Errorf("port %q: %w", p, err)
	}
	return host, port, nil
}
