package web_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/assaybus/assaybus/bridge/web"
)

func TestHealth(t *testing.T) {
	var sick error
	h := web.Handler(
		web.Check{Name: "instruments", Err: func() error { return nil }},
		web.Check{Name: "store", Err: func() error { return sick }},
	)
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	if code, body := get("/readyz"); code != http.StatusOK || !strings.Contains(body, `"ready":true`) {
		t.Errorf("ready answers %d %s", code, body)
	}
	sick = errors.New("disk full: free some")
	if code, body := get("/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(body, "disk full: free some") || !strings.Contains(body, `"name":"instruments","ok":true`) {
		t.Errorf("not ready answers %d %s, want 503 and which check fails", code, body)
	}
	if code, _ := get("/healthz"); code != http.StatusOK {
		t.Errorf("alive answers %d while not ready, want 200", code)
	}
	if code, _ := get("/"); code != http.StatusNotFound {
		t.Errorf("/ answers %d", code)
	}
}
