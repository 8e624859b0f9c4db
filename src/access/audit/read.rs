//! Reading a chain: block after block and file after file, each held against the one before.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::block::{BLOCK_HEAD, BlockHead, FILE_HEAD, FileHead, Hash};
use super::entry::Note;
use super::folder;

/// What is wrong with a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// The file is something else.
    #[error("this is no audit file")]
    NoAudit,
    /// The file is of another format.
    #[error("the file is of a format that this version of the program does not read")]
    Format,
    /// The file's head was changed.
    #[error("the head of the file was changed")]
    FileHead,
    /// The file's head tells of another place than its name.
    #[error("the file belongs to chain {chain}, file {number}: it was renamed")]
    Renamed {
        /// The chain its head names.
        chain: u32,
        /// The number its head names.
        number: u64,
    },
    /// The file does not go on where the one before it ends.
    #[error(
        "the file does not follow on the one before: what stood between was removed or replaced"
    )]
    NoSequel,
    /// No block begins here.
    #[error("no block of entries begins here: bytes were changed, inserted or removed")]
    NoBlock,
    /// A block begins with another entry than it should.
    #[error("the block begins with entry {found}: blocks were removed, inserted or reordered")]
    Order {
        /// The entry it begins with.
        found: u64,
    },
    /// The block's hash is not what its bytes and those before it give.
    #[error("the block, or one before it, was changed")]
    Changed,
    /// The file ends within a block, or within its head.
    #[error(
        "the file ends in the middle of a block: it was cut off, or a crash left it unfinished"
    )]
    Unfinished,
    /// The bytes of a whole block are no entries.
    #[error("the block holds bytes that are no entries")]
    NoEntry,
    /// A file is gone.
    #[error("the file is missing")]
    FileMissing,
    /// The head of the chain is gone.
    #[error("the head of the chain is missing: blocks may have been removed from its end")]
    HeadMissing,
    /// The head of the chain was changed.
    #[error("the head of the chain was changed")]
    HeadChanged,
    /// There was more once.
    #[error("the chain ends here, though {entries} entries were on the disk once")]
    Shortened {
        /// Entries that were on the disk.
        entries: u64,
    },
    /// What stands here is not what stood here once.
    #[error("the chain is another one than the one that was written: it was replaced")]
    Replaced,
}

/// Where a chain is damaged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}, byte {byte}, entry {entry}: {wrong}", file.display())]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// Where in it.
    pub byte: u64,
    /// The entry that should stand there.
    pub entry: u64,
    /// What is wrong.
    pub wrong: Wrong,
}

/// Why a chain cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is damaged.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// How far a chain was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Its number.
    pub number: u64,
    /// Bytes of it.
    pub byte: u64,
    /// Entries of the chain.
    pub entries: u64,
    /// What stands for all of them.
    pub hash: Hash,
}

/// What the head of a file tells.
pub fn about(folder: &Path, chain: u32, number: u64) -> Result<FileHead, ReadError> {
    open(folder, (chain, number), None).map(|blocks| blocks.about())
}

/// The blocks of one file.
pub struct Blocks<R> {
    source: R,
    about: FileHead,
    place: Place,
    payload: Vec<u8>,
}

impl<R: Read> Blocks<R> {
    /// Reads the head of a file, which must follow on what was read before; the first file that is
    /// looked at is taken at its word.
    pub fn open(
        mut source: R,
        file: PathBuf,
        (chain, number): (u32, u64),
        before: Option<&Place>,
    ) -> Result<Self, ReadError> {
        let mut place = Place {
            file,
            number,
            byte: 0,
            entries: before.map_or(0, |place| place.entries),
            hash: Hash::default(),
        };
        let mut head = [0; FILE_HEAD];
        if place.fill(&mut source, &mut head)? < FILE_HEAD {
            return Err(place.damaged(Wrong::Unfinished));
        }
        let (about, hash) = FileHead::read(&head).map_err(|wrong| place.damaged(wrong))?;
        if (about.chain, about.number) != (chain, number) {
            let (chain, number) = (about.chain, about.number);
            return Err(place.damaged(Wrong::Renamed { chain, number }));
        }
        let begins = number == 1 && about.first == 1 && about.previous == Hash::default();
        let follows = match before {
            Some(before) => about.previous == before.hash && about.first == before.entries + 1,
            None => begins || (number > 1 && about.first > 1),
        };
        if about.first == 0 || !follows {
            return Err(place.damaged(Wrong::NoSequel));
        }
        place.byte = FILE_HEAD as u64;
        place.entries = about.first - 1;
        place.hash = hash;
        Ok(Self {
            source,
            about,
            place,
            payload: Vec::new(),
        })
    }

    /// The next block; `None` at the end of the file.
    pub fn next_block(&mut self) -> Result<Option<BlockHead>, ReadError> {
        let mut bytes = [0; BLOCK_HEAD];
        match self.place.fill(&mut self.source, &mut bytes)? {
            0 => return Ok(None),
            BLOCK_HEAD => {}
            _ => return Err(self.place.damaged(Wrong::Unfinished)),
        }
        let head = BlockHead::read(&bytes).map_err(|wrong| self.place.damaged(wrong))?;
        if head.first != self.place.entries + 1 {
            return Err(self.place.damaged(Wrong::Order { found: head.first }));
        }
        self.payload.clear();
        let length = u64::from(head.length);
        let source = &mut self.source;
        let read = source.take(length).read_to_end(&mut self.payload);
        if read.map_err(|source| self.place.failed(source))? < head.length as usize {
            return Err(self.place.damaged(Wrong::Unfinished));
        }
        if !head.follows(self.place.hash, &bytes, &self.payload) {
            return Err(self.place.damaged(Wrong::Changed));
        }
        self.place.byte += BLOCK_HEAD as u64 + length;
        self.place.entries += u64::from(head.count);
        self.place.hash = head.hash;
        Ok(Some(head))
    }

    /// The entries of the block that was read last.
    pub fn notes(&self, head: BlockHead) -> Result<Vec<Note>, ReadError> {
        let mut rest = &self.payload[..];
        let mut notes = Vec::new();
        for entry in head.first..head.first + u64::from(head.count) {
            let byte = self.place.byte - rest.len() as u64;
            let wrong = |_| Damage {
                file: self.place.file.clone(),
                byte,
                entry,
                wrong: Wrong::NoEntry,
            };
            notes.push(Note::read(&mut rest).map_err(wrong)?);
        }
        if !rest.is_empty() {
            return Err(self.place.damaged(Wrong::NoEntry));
        }
        Ok(notes)
    }

    /// What the head of the file tells.
    pub const fn about(&self) -> FileHead {
        self.about
    }

    /// How far it was read.
    pub const fn place(&self) -> &Place {
        &self.place
    }
}

impl Place {
    /// Damage that begins here.
    pub fn damaged(&self, wrong: Wrong) -> ReadError {
        ReadError::Damaged(Damage {
            file: self.file.clone(),
            byte: self.byte,
            entry: self.entries + 1,
            wrong,
        })
    }

    fn failed(&self, source: io::Error) -> ReadError {
        let path = self.file.clone();
        ReadError::Io { path, source }
    }

    /// Reads until `bytes` are full or the source ends; tells how many there were.
    fn fill(&self, source: &mut impl Read, bytes: &mut [u8]) -> Result<usize, ReadError> {
        let mut filled = 0;
        while filled < bytes.len() {
            match source.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(filled)
    }
}

/// A chain, read from one of its files on.
pub struct Walk {
    folder: PathBuf,
    chain: u32,
    /// The last file there was when reading began.
    last: u64,
    /// The last file that is to be read; `None`: all there will be.
    stop: Option<u64>,
    /// Whether some process writes here meanwhile.
    is_live: bool,
    /// Whether there was a next file already when the end of this one was last looked for.
    is_complete: bool,
    blocks: Blocks<BufReader<File>>,
}

/// Looks at a block that is not whole before it is taken for what it is: its owner may be writing it.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);
const BUFFER: usize = 1 << 20;

impl Walk {
    /// Begins with file `first` of a chain. `is_live`: some process may write here meanwhile.
    pub fn begin(
        folder: &Path,
        chain: u32,
        (first, last): (u64, u64),
        is_live: bool,
    ) -> Result<Self, ReadError> {
        let blocks = open(folder, (chain, first), None)?;
        Ok(Self {
            folder: folder.to_path_buf(),
            chain,
            last,
            stop: None,
            is_live,
            is_complete: false,
            blocks,
        })
    }

    /// Ends after this file.
    pub fn stop_after(mut self, number: u64) -> Self {
        self.stop = Some(number);
        self
    }

    /// The next block; `None` at the end of the chain, which is before an unfinished block while
    /// some process writes.
    pub fn next_block(&mut self) -> Result<Option<BlockHead>, ReadError> {
        let mut tries = 0;
        loop {
            let number = self.place().number;
            let next = folder::file(&self.folder, self.chain, number + 1);
            match self.blocks.next_block() {
                Ok(Some(head)) => return Ok(Some(head)),
                Ok(None) if self.stop == Some(number) => return Ok(None),
                // A file is complete once there is a next one: what came until then is read first.
                Ok(None) if !self.is_complete && next.exists() => self.is_complete = true,
                Ok(None) if !self.is_complete && number < self.last => {
                    let gone = Place {
                        file: next,
                        byte: 0,
                        ..self.place().clone()
                    };
                    return Err(gone.damaged(Wrong::FileMissing));
                }
                Ok(None) if !self.is_complete => return Ok(None),
                Ok(None) => {
                    let next = (self.chain, number + 1);
                    self.blocks = open(&self.folder, next, Some(self.place()))?;
                    self.is_complete = false;
                }
                Err(error) if self.is_live && number >= self.last && !self.is_complete => {
                    if tries == TRIES {
                        return if is_unfinished(&error) {
                            Ok(None)
                        } else {
                            Err(error)
                        };
                    }
                    tries += 1;
                    std::thread::sleep(PAUSE);
                    self.blocks.again()?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The entries of the block that was read last.
    pub fn notes(&self, head: BlockHead) -> Result<Vec<Note>, ReadError> {
        self.blocks.notes(head)
    }

    /// What the head of the file tells that is being read.
    pub const fn about(&self) -> FileHead {
        self.blocks.about()
    }

    /// How far the chain was read.
    pub const fn place(&self) -> &Place {
        self.blocks.place()
    }
}

impl Blocks<BufReader<File>> {
    /// Goes back to where the last whole block ended.
    fn again(&mut self) -> Result<(), ReadError> {
        let back = self.source.seek(SeekFrom::Start(self.place.byte));
        back.map(|_| ()).map_err(|source| self.place.failed(source))
    }
}

fn is_unfinished(error: &ReadError) -> bool {
    matches!(error, ReadError::Damaged(damage) if damage.wrong == Wrong::Unfinished)
}

fn open(
    folder: &Path,
    (chain, number): (u32, u64),
    before: Option<&Place>,
) -> Result<Blocks<BufReader<File>>, ReadError> {
    let path = folder::file(folder, chain, number);
    let file = File::open(&path).map_err(|source| {
        let path = path.clone();
        ReadError::Io { path, source }
    })?;
    let source = BufReader::with_capacity(BUFFER, file);
    Blocks::open(source, path, (chain, number), before)
}
