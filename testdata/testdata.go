// Package testdata holds our own conversations and messages, of invented
// patients, for tests, for the simulator and for people. Every message has the
// JSON that it becomes beside it (*.golden.json).
package testdata

import "embed"

// FS holds astm/messages and hl7/messages: messages as raw bytes with what Parse makes of them.
//
//go:embed astm/messages hl7/messages
var FS embed.FS
