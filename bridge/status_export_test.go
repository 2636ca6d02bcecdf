package bridge

import "time"

// ListenForSilence is what the server does every second.
func ListenForSilence(s *Server, r *Registry, now time.Time) { s.listenForSilence(r, now) }
