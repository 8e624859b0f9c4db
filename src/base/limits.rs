//! Every ceiling of the engine in one place. What an operator may move is in the configuration
//! (`limits.*`), with these as defaults.

use std::time::Duration;

/// Identities in one `GetPersonsForProfile` request (TKB 5.1, rule of the contract).
pub const IDENTITIES_PER_REQUEST: usize = 500;

/// Anonymous reserve identities issued at once, as in the national web interface.
pub const RESERVE_IDENTITIES_PER_REQUEST: usize = 50;

/// Wide searches that may wait for their turn; more are sent away.
pub const WAITING_SEARCHES: usize = 64;

/// A consumer may have one part in so many of the places to wait.
pub const SHARES_OF_WAITING: usize = 4;

/// Seconds after which a caller who was sent away may come back.
pub const RETRY_SECONDS: u64 = 1;

/// Bytes of one request body. 500 identities take about 60 kB in UTF-8.
pub const BODY_BYTES: usize = 1 << 20;

/// Depth of elements in one XML document that we read.
pub const XML_DEPTH: usize = 32;

/// Attributes on one XML element that we read.
pub const XML_ATTRIBUTES: usize = 64;

/// Bytes of one person's archived record: attachments included.
pub const RECORD_BYTES: usize = 8 << 20;

/// Bytes of one post in a Navet file, and of one line in an exchange file.
pub const POST_BYTES: usize = 16 << 20;

/// Files in one zip archive.
pub const BUNDLE_FILES: usize = 1_000;

/// Bytes that one zip archive may unpack to: several times the whole country.
pub const BUNDLE_BYTES: u64 = 256 << 30;

/// How many times its size a zip archive may unpack to. Notifications come to some thirty.
pub const BUNDLE_RATIO: u64 = 200;

/// Characters that are kept of the name of an archive, and of a file in it.
pub const BUNDLE_NAME_CHARACTERS: usize = 60;

/// Entries of one repeating group (relations, citizenships, contact items ...) in one record.
pub const GROUP_ITEMS: usize = 1_000;

/// Identities that may be linked with one another by care: a person's chain. Skatteverket's references
/// are not counted against it.
pub const LINKED_IDENTITIES: usize = 32;

/// Open connections per listening thread.
pub const CONNECTIONS_PER_THREAD: usize = 4_096;

/// Seconds a client may take to send the head of a request.
pub const HEADER_SECONDS: u64 = 10;

/// Seconds a client may take to send the body of a request.
pub const BODY_SECONDS: u64 = 20;

/// Seconds a graceful shutdown waits for open requests.
pub const DRAIN_SECONDS: u64 = 10;

/// How often the ends of the audit's chains are written into the register's log, when they moved.
pub const ANCHORS_EVERY: Duration = Duration::from_secs(60);

/// How long the command may take that brings anchors to a second place.
pub const ANCHOR_PATIENCE: Duration = Duration::from_secs(10);

/// How soon it is tried again.
pub const ANCHOR_RETRY: Duration = Duration::from_secs(5);

/// Snapshots kept in a data folder: the newest, and those to go back to.
pub const SNAPSHOTS_KEPT: usize = 3;

/// Hours between two times that the newest snapshot is read through.
pub const SCRUB_HOURS: u32 = 24;

/// How fast it is read then: a country in two minutes.
pub const SCRUB_BYTES_PER_SECOND: u64 = 64 << 20;

/// Records in the answer to a search (TKB 5.1, rule of the contract).
pub const HITS_PER_SEARCH: usize = 500;

/// Index entries one search may read: some 20 ms.
pub const POSTINGS_PER_SEARCH: u64 = 8_000_000;

/// Records one search may look at: some 20 ms.
pub const CANDIDATES_PER_SEARCH: usize = 50_000;

/// Records looked at when there are more candidates than may be looked at: enough to say whether
/// there are simply too many hits.
pub const CANDIDATES_PROBED: usize = 2_000;

/// Work that one search may take, in units of about a nanosecond: a fifth of a second.
pub const WORK_PER_SEARCH: u64 = 200_000_000;

/// Work of a search that may run where requests are read: a millisecond.
pub const WORK_AT_ONCE: u64 = 1_000_000;

/// Hits of a free-text search: the best of them.
pub const HITS_PER_TEXT: usize = 50;

/// Hits of a free-text search that are enough not to look for slips: what somebody sees at once.
pub const HITS_ENOUGH: usize = 10;

/// Records one free-text search may look at, grading each: some 30 ms.
pub const CANDIDATES_PER_TEXT: usize = 20_000;

/// Bytes of a free-text search.
pub const TEXT_BYTES: usize = 400;

/// Words of a free-text search.
pub const WORDS_PER_TEXT: usize = 10;

/// Words of the register that one typed word may stand for when it is looked up; one that may stand
/// for more only sifts what the others found.
pub const WORDS_PER_TOKEN: usize = 2_000;

/// Bytes of a search query. The longest list of identities fits.
pub const QUERY_BYTES: usize = 32 << 10;

/// Parentheses and NOTs within one another in a search query.
pub const QUERY_DEPTH: usize = 32;

/// Predicates in a search query.
pub const QUERY_PREDICATES: usize = 200;

/// Values in one list of a search query.
pub const QUERY_LIST: usize = 1_000;

/// Bytes of one file of the log.
pub const SEGMENT_BYTES: u64 = 32 << 20;

/// Bytes of the smallest file of the log, made where there is no room for a large one.
pub const SMALL_SEGMENT_BYTES: u64 = 64 << 10;

/// Bytes of a disk that the log leaves free, so that disclosures can still be recorded: without that
/// nobody is answered.
pub const DISK_RESERVE_BYTES: u64 = 8 << 20;

/// Bytes of the log that are kept when snapshots hold its changes: the change trail.
pub const LOG_KEPT_BYTES: u64 = 4 << 30;

/// Changes that may wait for the committer; more are sent away.
pub const WAITING_CHANGES: usize = 4_096;

/// Bytes of entries that are committed together.
pub const COMMIT_BYTES: usize = 4 << 20;

/// Hours that the clock may be ahead of the time that has passed since the last change, before changes
/// are refused until an operator agrees.
pub const MOST_JUMP_HOURS: u32 = 24;

/// How long a register may have been out of use, on a machine that has been started anew since, before
/// the clock is doubted.
pub const MOST_PAUSE: Duration = Duration::from_secs(90 * 24 * 3_600);

/// How far behind the last change the clock may be before that is told.
pub const CLOCK_BEHIND: Duration = Duration::from_secs(60);

/// How often a register at work notes what time it is.
pub const TIME_TOLD_EVERY: Duration = Duration::from_secs(60);

/// How far the times of the witness's file may lie from what it says of itself.
pub const WRITTEN_WITHIN: Duration = Duration::from_secs(10);

/// Numbers of the anonymous series that are passed over after a loss or a restore: more than can have
/// been issued since any backup. There are some 1,480 million.
pub const ANONYMOUS_JUMP: u64 = 1_000_000;

/// Beyond these, as many more by chance, up to so many: two restores of one backup must not go on at the
/// same number.
pub const ANONYMOUS_CHANCE: u64 = 30_000_000;

/// The same of the series of one date of birth and gender, which has at least 57,330 numbers.
pub const DATED_JUMP: u64 = 500;

/// The same.
pub const DATED_CHANCE: u64 = 3_000;

/// How long a snapshot may list somebody who has become protected since, before a new one is made.
pub const VEILED_FOR: Duration = Duration::from_secs(3_600);

/// Changed records after which a new snapshot is made.
pub const CHANGES_PER_SNAPSHOT: usize = 200_000;

/// Changes of one person in the answer to who asks for their history.
pub const HISTORY_ENTRIES: usize = 1_000;

/// Persons in one answer to who follows the changes.
pub const CHANGES_PER_ANSWER: usize = 1_000;

/// Changed records that one answer to who follows the changes may look at.
pub const CHANGES_LOOKED_AT: usize = 20_000;

/// Bytes of changed records after which an answer to who follows the changes ends.
pub const CHANGES_BYTES: usize = 8 << 20;

/// Seconds that who follows the changes may wait for one.
pub const FOLLOWING_SECONDS: u64 = 60;

/// Callers that may wait for a change at once; more are sent away.
pub const WAITING_FOLLOWERS: usize = 1_000;

/// Bytes of one file of the disclosure audit.
pub const AUDIT_FILE_BYTES: u64 = 256 << 20;

/// Bytes of the entries that are written to the disclosure audit together.
pub const AUDIT_BLOCK_BYTES: usize = 16 << 20;

/// Bytes that must be free on the disk of the disclosure audit before anything is disclosed.
pub const AUDIT_ROOM_BYTES: u64 = 64 << 10;

/// Connections that may wait at one address until a thread takes them.
pub const CONNECTIONS_QUEUED: i32 = 1_024;

/// File descriptors kept back for the service's own files.
pub const DESCRIPTORS_KEPT: u64 = 64;

/// The same for each serving thread.
pub const DESCRIPTORS_PER_THREAD: u64 = 8;

/// How many file descriptors there are where the system does not say.
pub const DESCRIPTORS_ASSUMED: u64 = 1_024;

/// Connections on which only questions how the service is are answered, when there is room for no others.
/// They are taken from the descriptors kept back.
pub const SPARE_CONNECTIONS: u64 = 16;

/// Seconds for which a node says that it will close before it does.
pub const ANNOUNCE_SECONDS: u64 = 5;

/// How long a connection without a request stays open when a node closes: what is on its way comes in.
pub const CLOSING_IDLE: Duration = Duration::from_millis(500);

/// How long connections that are being made are still taken when a node closes.
pub const CLOSING_QUEUE: Duration = Duration::from_millis(100);

/// How often a node looks whether it works.
pub const HEALTH_EVERY: Duration = Duration::from_secs(1);

/// How long a serving thread may stand still before the node says that it is stuck.
pub const STUCK_AFTER: Duration = Duration::from_secs(10);

/// Identities in one list of one entry of the disclosure audit.
pub const AUDIT_IDENTITIES: usize = 100_000;

/// Bytes of one name in an entry of the disclosure audit; longer ones are cut.
pub const AUDIT_NAME_BYTES: usize = 256;

/// Bytes of the id by which other systems name a call.
pub const CORRELATION_BYTES: usize = 100;

/// Milliseconds that anything may wait for its turn on a serving thread; beyond that, calls are sent
/// away.
pub const PATIENCE_MILLISECONDS: u64 = 100;

/// Seconds from the head of a request to its answer, the time that a body takes and that followers
/// wait not counted.
pub const ANSWER_SECONDS: u64 = 30;

/// Milliseconds after which what the audit has written is flushed to the disk.
pub const AUDIT_SYNC_MILLISECONDS: u64 = 1_000;

/// Calls a second of one consumer, when the file of consumers tells no other number.
pub const CONSUMER_REQUESTS_PER_SECOND: u32 = 1_000;

/// Calls of one consumer at one moment, after a rest.
pub const CONSUMER_BURST: u32 = 2_000;

/// Calls of one consumer that are answered at once.
pub const CONSUMER_CONCURRENT: u32 = 200;

/// Seconds of processor time a minute of one consumer, when the file of consumers tells no other.
pub const CONSUMER_CPU_SECONDS: u64 = 20;

/// Refusals a second that are told and audited to those who are not known; the others are only sent
/// away, so that strangers cannot fill the audit.
pub const STRANGERS_PER_SECOND: u32 = 20;

/// Open connections per remote address, on all threads together.
pub const CONNECTIONS_PER_ADDRESS: usize = 1_000;

/// Seconds after which a connection is ended in an orderly way, however busy it is.
pub const CONNECTION_SECONDS: u64 = 3_600;

/// Seconds for a TLS handshake.
pub const HANDSHAKE_SECONDS: u64 = 5;

/// TLS handshakes begun per second and thread. One costs about half a millisecond of computing.
pub const HANDSHAKES_PER_SECOND: u32 = 300;

/// TLS handshakes under way per thread: silent ones cost memory, not time.
pub const HANDSHAKES_AT_ONCE: usize = 1_024;

/// Failed handshakes that are logged per second; the rest are counted.
pub const HANDSHAKES_LOGGED: u32 = 10;

/// Sessions that may be resumed, of one set of certificates.
pub const SESSIONS_KEPT: usize = 1_024;

/// Bytes of one certificate file or revocation list.
pub const CERTIFICATE_FILE_BYTES: u64 = 256 << 20;

/// Bytes of the headers of one HTTP/2 request.
pub const HEADER_LIST_BYTES: u32 = 16 << 10;

/// Open streams of one HTTP/2 connection.
pub const STREAMS: u32 = 128;

/// Streams that an HTTP/2 client may reset before we have looked at them, or for which it makes us
/// reset them: beyond that the connection ends (rapid reset, CVE-2023-44487 and CVE-2025-8671).
pub const STREAMS_RESET: usize = 32;

/// Bytes of answers buffered per HTTP/2 stream.
pub const STREAM_BUFFER_BYTES: usize = 64 << 10;

/// Bytes of a request that an HTTP/2 client may send on one stream, and on all, before we have read
/// what came before.
pub const STREAM_WINDOW_BYTES: u32 = 256 << 10;

/// See `STREAM_WINDOW_BYTES`.
pub const CONNECTION_WINDOW_BYTES: u32 = 1 << 20;

/// Bytes of one HTTP/2 frame.
pub const FRAME_BYTES: u32 = 16 << 10;

/// Bytes of answers that may wait to leave on one connection before its next call waits.
pub const CONNECTION_ANSWER_BYTES: u64 = 8 << 20;

/// Bytes of one consumer's answers that may wait to leave before its next call is sent away.
pub const CONSUMER_ANSWER_BYTES: u64 = 64 << 20;

/// Bytes of answers that may wait to leave in the process before calls are sent away.
pub const ANSWER_BYTES: u64 = 512 << 20;

/// Seconds that answers may wait without moving before their connection is ended.
pub const STALLED_SECONDS: u64 = 30;

/// Seconds between questions whether an HTTP/2 client is alive.
pub const PING_SECONDS: u64 = 20;

/// Seconds it may take to say that it is.
pub const PONG_SECONDS: u64 = 10;

/// Seconds a connection may be without requests: longer than callers' pools keep theirs.
pub const IDLE_SECONDS: u64 = 120;

/// Bytes of the head of one HTTP/1.1 request: somewhat more than the longest address that is read, so that
/// one that is longer is told so.
pub const HEAD_BYTES: usize = 80 << 10;

/// How long what still comes is read and let go when a connection has ended on our side, so that the other
/// end can read to the end of its answer.
pub const PARTING: Duration = Duration::from_secs(1);

/// How many bytes of it at most.
pub const PARTING_BYTES: usize = 4 << 20;

/// Bytes of an answer from which it is packed for who takes it so: what is shorter is sent before it would
/// be packed.
pub const PACKED_FROM: usize = 4 << 10;

/// Bytes that are packed or unpacked before others have their turn.
pub const PACKED_AT_ONCE: usize = 64 << 10;

/// How hard zstd tries.
pub const ZSTD_LEVEL: i32 = 1;

/// How hard gzip tries.
pub const GZIP_LEVEL: u32 = 1;

/// How far back a zstd frame of a caller may refer, as a power of two (RFC 9659: 8 MiB).
pub const ZSTD_WINDOW_LOG: u32 = 23;

/// How many times longer than what came an unpacked body may be: lists of identities are some thirty.
pub const UNPACKED_TIMES: usize = 100;

/// Bytes to which any body may be unpacked.
pub const UNPACKED_ALWAYS: usize = 64 << 10;

/// How long `pu ready` waits for an answer.
pub const READY_PATIENCE: Duration = Duration::from_secs(3);

/// Bytes of the answer that `pu ready` reads.
pub const READY_ANSWER_BYTES: u64 = 16 << 10;

/// Bytes of a boundary between the parts of a body (RFC 2046).
pub const BOUNDARY_BYTES: usize = 70;

/// Bytes of the headers of a body's part.
pub const PART_HEAD_BYTES: usize = 8 << 10;

/// Entries of the usual data folder that are looked at for the only register below it.
pub const FOLDERS_LOOKED_AT: usize = 1_000;
