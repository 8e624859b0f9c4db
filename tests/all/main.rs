//! Everything a user of the program or of the library can rely on, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a failed helper is a failed test; clippy sees only #[test] functions as such"
)]

// What services say beside their answers, gathered over the whole run.
mod evidence;
// A served register of a few persons, and a client for it.
mod support;
// The real program as a child process.
mod program;

// Files as they come from others.
mod arrivals;

// The attacks that once told where somebody is.
mod attacks;
// Addresses: one service to each, sockets that a service manager holds, and what it is told.
mod addresses;
// The disclosure audit on the command line: what is verified, found and shown.
mod audit;
// Access: consumers, their rights and limits, intermediaries, and what the audit holds of it.
mod access;
// Changes: the feed of those who follow, the history of persons, and who is protected in both.
mod changes;
// Clocks that are wrong: set back, set far ahead, and the hour that comes twice.
mod clocks;
// The command line: what each command prints, writes, refuses and answers to the shell.
mod command_line;
// Compression: answers and requests that come packed, and what is refused of them.
mod compression;
// Connections: what else lies on the line, refusals that arrive, and ends that take no request with them.
mod connections;
// The contracts: types, messages, endpoints and profiles equal the official tables.
mod contracts;
// Damage: it is never answered with, copied or gone back behind, and mends itself where it can.
mod damage;
// Durability: kill -9 under load, and many who change one person at once.
mod durable;
// The end: whoever asks while a service stops gets an answer, or is told before to ask elsewhere.
mod ending;
// Errors: each wrong request has its own precise answer, and the connection goes on.
mod errors;
// Flushes: what is acknowledged or disclosed was flushed before, as the system's own trace tells.
mod flushes;
// The front end: HTTP/2, an orderly end, one process to a folder, and damage.
mod front_end;
// Goldens: answers of all versions and profiles, read by a human when they change.
mod golden;
// The handshake: who is let in, who loses the way in, and callers who take too much or too long.
mod handshake;
// Health: a node says what works before somebody asks in vain.
mod health;
// Hostile callers: what each attack gets, and what a good caller notices of all of them at once.
mod hostile;
// The inbox: files into a served register, whatever is stopped in the middle.
mod inbox;
// The index: it finds whom a look at every record finds; free text finds people as they are typed.
mod index;
// The kit: what an operator installs the program with.
mod kit;
// The register at work: every state, restart and compaction against the simplest register.
mod live;
// The log: nothing of anybody, whatever is asked.
mod logs;
// Losses: a log that is gone, cut or put back is noticed, and no number is issued twice.
mod losses;
// Lookup: order, unknown identities, links and main identities.
mod lookup;
// The model: posts in any order against a register written the simplest way.
mod model;
// Mistakes of operators: what commands do when they are used wrongly, or stopped in the middle.
mod mistakes;
// Non-interference: what is hidden changes no answer, no error, no count and no way to them.
mod noninterference;
// The operator: files, the audit and alarms, on which whoever runs the register relies.
mod operator;
// Protection: somebody who wants a protected person's address tries every output.
mod protection;
// REST: routes, problems, and answers that the description allows.
mod records;
mod rest;
// Round trip: what is rendered is what the record holds, element by element.
mod round_trip;
// Searching as asked: over SOAP, REST and the command line.
mod search;
// The search language: every node and operator against an evaluator over the JSON of a person.
mod search_language;
// Free text: whom people find by what they type, and in which order.
mod text;
// Answers that nobody takes: they do not pile up.
mod untaken;
// What a service says of itself: at its start, of files, of consumers, in its metrics and at a bad end.
mod told;
// Updates: the contracts that change the register, in every version, and the reading of contact data.
mod updates;
