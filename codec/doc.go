/*
Package codec says what an instrument protocol is: bytes and a Conn in,
messages out. It and everything below it is pure: no sockets, no files, no
logging, no NATS. A protocol holds a conversation with an instrument over a
[Conn] and hands every complete message to a [Host]; nil from
[Host.Receive] is the only thing that lets the instrument hear a positive
acknowledgement.

# The parsed message

What a consumer reads in lab.parsed.… is one [Message] as JSON; its schema is
[SchemaJSON]. Fields without a value are left out. The section "Fields of a
parsed message" of docs/message.md says where each comes from in ASTM and in HL7, and
the section "What analyzers need" which families need which option.

A result belongs to the nearest order before it in its own message, or to
none: then it has no specimen, and a warning says so. value is always the
instrument's text; number is there only when the text can mean one number and
no other. status is F final, P preliminary, C corrected, X failed; retransmitted
and questionable stand beside it. A result with supplementary true is nothing
that a laboratory reports: details of probes, images, suspect flags.

Every tolerance that a message needed is a warning with its place, by the codes
of [WarningHelp], or the name of a [Quirk] in the table of its [Kind].
*/
package codec
