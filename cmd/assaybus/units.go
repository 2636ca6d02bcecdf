package main

import "github.com/assaybus/assaybus/bridge"

// Settings and the instruments file write sizes and durations the same way.
type (
	Size     = bridge.Size
	Duration = bridge.Duration
)
