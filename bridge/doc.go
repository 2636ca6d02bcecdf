// Package bridge holds links, sessions and custody: it accepts and dials
// instruments, lets a [codec.Protocol] hold the conversation, and answers for
// every message. It knows no protocol and no bus by name.
//
// # The promise
//
// An instrument hears a positive acknowledgement if and only if the bus has
// confirmed the raw message and what was derived from it, on disk. Every
// message that is framed is stored, or refused to the instrument, or stored as
// incomplete and counted. There is no fourth way.
//
//	raw stored | parse          | parsed/failed stored | ASTM           | HL7                                   | afterwards
//	yes        | ok             | yes                  | ACK            | AA (CA in enhanced mode)              |
//	yes        | ok             | yes, duplicate       | ACK            | AA                                    | counted as a repeat
//	yes        | ok             | no                   | NAK            | no answer, connection closed          | instrument repeats; nothing doubles
//	yes        | error or panic | failed: yes          | ACK            | AA (unparsable: reject = AE)          | counted; fix the parser, replay
//	no         |                |                      | NAK            | no answer, connection closed          | instrument repeats
//	           |                |                      |                | (store_failure: reject = AR 207, CR)  | never AE: some senders delete on AE
//	over the size limit                                | NAK, closed    | AR / CR, closed                       | counted; names instrument and limit
//	no MSH or MSH-10 (cannot be correlated): raw, failed stored         | AR / CR, MSA-2 empty; never AA        | counted
//	EOT or hang-up before the end: raw partial, failed incomplete       | no answer                             | counted
//	a frame ended ETX and the message may be whole (ASTM: P, O, R or Q, no  |                                    |
//	    L), of a sender not known to send L: the text is in LAB_OPEN    | ACK of the frame                     | at EOT raw and parsed, unterminated;
//	                                                                    |                                       | after a kill the next start stores it,
//	                                                                    |                                       | incomplete unless its instrument is known to send no L
//	    the same, and it cannot be kept                | NAK            |                                       | instrument repeats
//	a stop while the store takes nothing: the rescue folder has it      |                                       | the next start stores it
//	a part of a message, more follow (DSC): raw, parsed without content | AA                                   | its last part brings the whole
//	the last part: raw, parsed of all parts as one                      | AA                                    |
//	continues a part that is not known, or not provably one: raw, failed| AA (unparsable: reject = AE)          | counted; never joined to a guess
//	    incomplete. Provable is its own session, or the first message of |                                       |
//	    a new one where a single chain waits whose session said no more  |                                       |
//	continues a part that cannot be read now: nothing   | no answer, connection closed          | instrument repeats
//	not continued within PartTimeout: failed incomplete | AA was given                          | counted; names the raw sequences
//	store unhealthy when the instrument bids           | NAK to the ENQ | as "no"                               | link refusing
//
// One deadline, the patience, covers everything before a reply. Publishes are
// retried inside it with the same message id.
package bridge
