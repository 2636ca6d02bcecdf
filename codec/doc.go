/*
Package codec says what an instrument protocol is: bytes and a Conn in,
messages out. It and everything below it is pure: no sockets, no files, no
logging, no NATS. A protocol holds a conversation with an instrument over a
[Conn] and hands every complete message to a [Host]; nil from
[Host.Receive] is the only thing that lets the instrument hear a positive
acknowledgement.

# The parsed message

What a consumer reads in lab.parsed.… is one [Message] as JSON; its schema is
[SchemaJSON]. Fields without a value are left out. Where each comes from:

	field                     ASTM (LIS02-A2)               HL7 v2
	type                      H.11 of the Roche family      MSH-9
	version                   H.13                          MSH-12
	controlId                 H.3                           MSH-10
	sentAt                    H.14                          MSH-7
	sender                    H.5: name, version, serial    MSH-3, MSH-4
	processing                H.12                          MSH-11
	charset                   UTF-8 if valid, else 1252     MSH-18
	termination               L.3                           –
	patients.ids              P.3, P.4, P.5                 PID-3, PID-2, PID-4
	patients.name             P.6                           PID-5
	patients.birthDate, sex   P.8, P.9                      PID-7, PID-8
	orders.specimen           O.3.1, else O.4               SPM-2, SAC-3, OBR-3, OBR-2
	orders.specimens          O.3 when it has repeats       several SPM behind an OBR
	orders.instrumentSpecimen O.4                           SPM-2 (filler), SAC-3
	orders.position           O.4 besides the id            SAC-10 to SAC-14
	orders.tests              O.5                           OBR-4
	orders.priority           O.6                           TQ1-9, OBR-5, OBR-27.6
	orders.action             O.12                          ORC-1
	orders.status             O.26                          OBR-25
	orders.material           O.16                          SPM-4, OBR-15
	orders.role               Q: quality control            SPM-11
	orders.requestedAt …      O.7, O.8, O.15                OBR-6, OBR-7, OBR-14
	results.specimen          of the nearest O before it    of its SPM, SAC or OBR
	results.code              R.3.4, else the first valued  OBX-3.1
	results.aspect            R.3: F, I, P, or what differs OBX-4
	results.value             R.4, escapes decoded          OBX-5, escapes decoded
	results.number            R.4 when it is one number     OBX-5 when it is one number
	results.units, range      R.5, R.6                      OBX-6, OBX-7
	results.flags             R.7                           OBX-8
	results.status            R.9; X for failed orders      OBX-11
	results.observedAt        R.13, else R.12               OBX-19, OBX-14, else OBR-7
	results.operator          R.11                          OBX-16
	results.equipment         R.14                          OBX-18
	results.comments          C behind R                    NTE behind OBX
	queries.specimens         Q.3                           QPD-3, QRD-8
	queries.tests             Q.5                           QRD-9
	comments                  C of nothing else             NTE of nothing else
	records                   [n-1] is field n              [n] is field n

A result belongs to the nearest order before it in its own message, or to
none: then it has no specimen, and a warning says so. value is always the
instrument's text; number is there only when the text can mean one number and
no other. status is F final, P preliminary, C corrected, X failed; retransmitted
and questionable stand beside it. A result with supplementary true is nothing
that a laboratory reports: details of probes, images, suspect flags.

Every tolerance that a message needed is a warning with its place, by the codes
of [WarningHelp], or the name of a quirk.

# Instrument options

What no message says of itself stands in the instruments file:

	option          what it does                               known to need it
	specimen_path   where the specimen id is; the first valued P.4 EUROIMMUN Analyzer I, Afinion;
	                place wins and no other is looked at       P.3 DCA Vantage; O.3.2 cobas c311;
	                (O.4.3, P.4, Q.3.1, SPM-2.1, OBR-2)        O.4.1 Mindray CL; Q.3.3 analyzers that
	                                                           fill all of Q.3
	code_component  which component is the test code           2: Mindray CL (name for number)
	decimal_comma   5,9 is a number, 161.152 has thousands     GeneXpert in French, EUROIMMUN
	charset         instead of what the message says           Ortho Vision, analyzers with GBK,
	                                                           Big5 or Shift_JIS
	timezone        zone of times that name none               nearly all
	quirks          tolerances by name                         see each protocol's list
*/
package codec
