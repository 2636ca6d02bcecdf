package bridge

import "time"

// Snapshot is the whole program at one moment: metrics, health, page and
// `assaybus status` show it and nothing else. It holds no content and no id of
// a patient or specimen.
type Snapshot struct {
	At          time.Time         `json:"at"`
	Site        string            `json:"site"`
	Started     time.Time         `json:"started"`
	Build       Build             `json:"build"`
	Store       StoreState        `json:"store"`
	Streams     []StreamState     `json:"streams"`
	Disk        *DiskState        `json:"disk,omitempty"` // of the embedded bus
	Bus         BusState          `json:"bus"`
	Callers     map[string]uint64 `json:"callers,omitempty"` // refused, of no instrument, by reason
	Instruments []Counters        `json:"instruments"`
}

// Build is what the program was made from.
type Build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// StoreState is whether messages can be stored now.
type StoreState struct {
	Healthy bool   `json:"healthy"`
	Problem string `json:"problem,omitempty"` // why not, and the next step
}

// StreamState is what a stream holds.
type StreamState struct {
	Name     string    `json:"name"`
	Messages uint64    `json:"messages"`
	Bytes    uint64    `json:"bytes"`
	MaxBytes int64     `json:"maxBytes"` // -1: no limit of its own
	Missing  int       `json:"missing"`  // gone, unreadable or not what their digest says, where none may be
	Last     time.Time `json:"last,omitzero"`
}

// Fill is the used part of MaxBytes, 0 to 1; 0 when there is no limit.
func (s StreamState) Fill() float64 {
	if s.MaxBytes <= 0 {
		return 0
	}
	return float64(s.Bytes) / float64(s.MaxBytes)
}

// DiskState is the disk that the embedded bus writes to.
type DiskState struct {
	Free int64 `json:"free"` // bytes, for us
}

// BusState is the connection to NATS.
type BusState struct {
	Connected    bool   `json:"connected"`
	Embedded     bool   `json:"embedded"`
	URL          string `json:"url,omitempty"` // without credentials
	LinksDropped uint64 `json:"linksDropped"`  // link events that could not be published
}
