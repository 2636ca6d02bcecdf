package testdata

import "embed"

// Simulator holds the messages that simulated instruments play when they are
// given none: simulator/*.astm and simulator/*.hl7, of invented patients.
// {n} and {time} in them are filled in at every play.
//
//go:embed simulator
var Simulator embed.FS
