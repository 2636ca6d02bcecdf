// Package codectest is the contract that every protocol passes: conversation
// files ([Run]), the split test ([Split]) and the pair test ([RunPair]). It
// is imported by tests only.
//
// A conversation file is a dialogue, one step a line. Control characters are
// written as Unicode control pictures (␅ is ENQ), ‹E4› is the byte E4 and
// ‹41*300› is 300 times the byte 41. ?? behind ␃ or ␗ is the right checksum.
//
//	# comment
//	quirks a,b             at the top: Options.Quirks
//	option role=instrument at the top: other options, see setOption
//	> BYTES                the instrument writes, in one segment
//	< BYTES                we must have written exactly that by now
//	<~ REGEXP              we must have written one block that matches
//	wait DURATION          time passes and nothing may be written
//	pass DURATION          time passes
//	store ok fail reject   the next answers of Host.Receive; then ok again
//	ready yes|no           the answer of Host.Ready
//	stored TEXT            the next message that was stored
//	incomplete TEXT        the next one that was given up
//	frames LIST            how the message named last was framed, see codec.FrameLog
//	batch ID               the batch that it came in
//	sender NAME            who sent it
//	needed a,b             the tolerances that it needed, in their order
//	unended yes|no         whether its end did not come
//	oversize TEXT          the next one that was given up as too large
//	send TEXT              Protocol.Send begins as soon as the line is free
//	sent ok|refused|noreply|yield|canceled|error
//	hangup                 the instrument closes the connection
//	closed [TEXT]          we have ended; the error holds TEXT
//	stop                   the context ends
//	event NAME [N]         the event was counted (N times since the beginning)
//	quirk NAME [N]         the tolerance was noted (N times)
//	detected NAME          the protocol that the conversation was found to speak
//
// Of every message the frames must account for each byte. incomplete and oversize without TEXT take any text. At the end everything
// written, stored and given up must have been named.
package codectest
