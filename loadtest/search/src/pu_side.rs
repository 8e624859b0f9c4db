//! pu itself: the index by itself, and the search as the contracts ask it, with every hit held
//! against the question and the mask.

use pu::person::identity::{Formats, Identity};
use pu::person::keys::{INDEXES, Index, code_key};
use pu::person::record::RecordRef;
use pu::person::schema::Core;
use pu::person::view::View;
use pu::query::lookup::{Follow, lookup};
use pu::query::search::{Question, SearchError, search};
use pu::store::index::search::after_prefix;
use pu::store::state::State;
use pu::wire::render::{Buffer, RecordWriter};

use crate::Failure;
use crate::engine::{Answer, Engine, FIRST};
use crate::person::grant;
use crate::question::{Ask, Kind, MOST_HITS};

/// How many entries of surname words begin so in a county, and the identities of the first fifty.
pub fn count_and_first(state: &State, prefix: &str, county: &str) -> (u64, Vec<Identity>) {
    let mut key = Vec::with_capacity(32);
    key.extend_from_slice(&code_key(county));
    key.extend_from_slice(prefix.as_bytes());
    let grant = grant();
    let Ok(keys) = state.search_keys(&grant) else {
        return (0, Vec::new());
    };
    let found = keys.range(Index::Surname, &key, after_prefix(&key).as_deref());
    let mut first: Vec<Identity> = Vec::with_capacity(FIRST);
    // A person with two such words comes twice, so a few more are read than shown.
    for position in found.runs.iter().flat_map(|run| run.take(FIRST + FIRST / 4)) {
        let record = state.snapshot().record(u64::from(position));
        if let Ok(Some(bytes)) = record
            && let Ok(record) = RecordRef::open(bytes)
            && first.len() < FIRST
            && !first.contains(&record.identity())
        {
            first.push(record.identity());
        }
    }
    (found.count, first)
}

/// Bytes of each of pu's indexes.
fn index_sizes(state: &State) -> Vec<(String, u64)> {
    let snapshot = state.snapshot();
    let sections = snapshot
        .sections()
        .map(|(section, extent)| (format!("section {}", section.name()), extent.length));
    let searchable = snapshot.searchable();
    let indexes = searchable.iter().flat_map(|searchable| {
        let size = |index| searchable.size(index).bytes;
        INDEXES
            .iter()
            .map(move |row| (format!("index {}", row.name), size(row.index)))
    });
    sections.chain(indexes).collect()
}

/// The index alone.
pub struct PuIndex<'s>(pub &'s State);

impl Engine for PuIndex<'_> {
    fn name(&self) -> &'static str {
        "pu, index alone"
    }

    fn takes(&self, kind: Kind) -> bool {
        kind == Kind::CountAndFirst
    }

    fn answer(&mut self, _: Kind, ask: &Ask) -> Result<Answer, Failure> {
        let Ask::WordPrefix { county, prefix } = ask else {
            return Err("not a question for the index alone".into());
        };
        let (count, first) = count_and_first(self.0, prefix, county);
        Ok(Answer {
            count,
            hits: first.into_iter().map(Identity::key).collect(),
            listings: true,
            bytes: 0,
        })
    }

    fn sizes(&mut self) -> Result<Vec<(String, u64)>, Failure> {
        Ok(index_sizes(self.0))
    }
}

/// The search of the contracts.
pub struct PuSearch<'s> {
    state: &'s State,
    formats: Formats,
    writer: RecordWriter,
    out: Buffer,
    searches: bool,
    free_text: bool,
}

impl<'s> PuSearch<'s> {
    pub fn new(state: &'s State) -> Self {
        let formats = Formats::standard();
        let speaks = |language, text| Question::parse(language, text, &formats).is_ok();
        Self {
            state,
            searches: speaks("SimpleQL", "FROM PersonRecord WHERE name.surname = 'ek'"),
            free_text: speaks("Text", "anna ek stockholm"),
            writer: RecordWriter::compile(Core::V5, &formats),
            formats,
            out: Buffer::default(),
        }
    }

    fn render(&mut self, view: &View<'_>) -> Result<(), Failure> {
        Ok(self.writer.write(view, &mut self.out)?)
    }

    fn search(&mut self, kind: Kind, ask: &Ask) -> Result<Answer, Failure> {
        let (language, text) = query(ask);
        let question = Question::parse(language, &text, &self.formats)?;
        let found = match search(self.state, &question, &grant(), MOST_HITS) {
            // Three common words: told to add one. An answer, as fast or slow as it comes.
            Err(SearchError::TooWide) if kind == Kind::FreeText => return Ok(Answer::default()),
            // Nobody in this register is real: the question may be told.
            found => found.map_err(|error| format!("{text}: {error}"))?,
        };
        self.out.clear();
        if kind == Kind::Records {
            for view in &found.hits {
                self.render(view)?;
            }
        }
        Ok(Answer {
            count: found.hits.len() as u64,
            hits: found
                .hits
                .iter()
                .map(|view| view.identity().key())
                .collect(),
            listings: false,
            bytes: self.out.written().len(),
        })
    }
}

/// A question in pu's languages.
fn query(ask: &Ask) -> (&'static str, String) {
    let condition = match ask {
        Ask::Words(words) => return ("Text", words.join(" ")),
        Ask::Identity(_) | Ask::WordPrefix { .. } => String::new(),
        Ask::Surname {
            county: Some(county),
            prefix,
        } => format!(
            "populationRegistrationLocality.countyCode = '{county}' AND name.surname LIKE '{prefix}%'"
        ),
        Ask::Surname {
            county: None,
            prefix,
        } => format!("name.surname LIKE '{prefix}%'"),
        Ask::FullName { given, surname } => {
            format!("name.surname = '{surname}' AND name.givenName = '{given}'")
        }
        Ask::Born { from, to } => {
            format!("birth.dateOfBirth >= '{from:08}' AND birth.dateOfBirth <= '{to:08}'")
        }
        Ask::Changed { since } => format!("version >= '{since:014}'"),
    };
    ("SimpleQL", format!("FROM PersonRecord WHERE {condition}"))
}

impl Engine for PuSearch<'_> {
    fn name(&self) -> &'static str {
        "pu"
    }

    fn takes(&self, kind: Kind) -> bool {
        match kind {
            Kind::Identity => true,
            Kind::CountAndFirst => false,
            Kind::FreeText => self.free_text,
            _ => self.searches,
        }
    }

    fn answer(&mut self, kind: Kind, ask: &Ask) -> Result<Answer, Failure> {
        let Ask::Identity(identity) = ask else {
            return self.search(kind, ask);
        };
        let mut answer = Answer::default();
        let identity = Identity::from_key(*identity);
        if let Some(view) = lookup(self.state, identity, &grant(), Follow::Nothing)? {
            self.out.clear();
            self.render(&view)?;
            answer.hit(view.identity().key(), 1);
            answer.bytes = self.out.written().len();
        }
        Ok(answer)
    }

    fn sizes(&mut self) -> Result<Vec<(String, u64)>, Failure> {
        Ok(Vec::new())
    }
}
