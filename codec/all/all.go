// Package all is the list of built-in protocols: adding one is a folder under
// codec and a line here.
package all

import (
	"github.com/assaybus/assaybus/codec"
	"github.com/assaybus/assaybus/codec/astm"
	"github.com/assaybus/assaybus/codec/hl7"
)

// Protocols are the built-in protocols, in the order in which they are asked
// whether they know the first bytes of a conversation.
var Protocols = codec.Index{astm.Kind(), hl7.Kind()}
