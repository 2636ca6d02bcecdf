// Package web answers HTTP: whether the program is alive and whether it can
// take messages now.
package web

import (
	"encoding/json"
	"net/http"
)

// Check is one condition of being ready.
type Check struct {
	Name string
	Err  func() error // nil = fulfilled; otherwise why not and the next step
}

// checked is one row of the answer of /readyz.
type checked struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Why  string `json:"why,omitempty"`
}

// Handler serves /healthz (the process answers) and /readyz (every check is
// fulfilled; 503 and the reasons otherwise).
func Handler(checks ...Check) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]bool{"alive": true})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		ready, rows := true, make([]checked, len(checks))
		for n, c := range checks {
			rows[n] = checked{Name: c.Name, OK: true}
			if err := c.Err(); err != nil {
				ready, rows[n].OK, rows[n].Why = false, false, err.Error()
			}
		}
		status := http.StatusOK
		if !ready {
			status = http.StatusServiceUnavailable
		}
		answer(w, status, map[string]any{"ready": ready, "checks": rows})
	})
	return mux
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the peer may be gone
}
