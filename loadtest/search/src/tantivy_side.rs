//! tantivy: one segment on disk, mapped; words already cut and folded as pu's are.

use std::ops::Bound;
use std::path::{Path, PathBuf};

use pu::base::swedish::words;
use pu::store::state::State;
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::Column;
use tantivy::query::{BooleanQuery, ConstScoreQuery, FuzzyTermQuery, Query, RangeQuery, TermQuery};
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STRING, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::{TextAnalyzer, WhitespaceTokenizer};
use tantivy::{
    DocId, Index, Score, Searcher, SegmentOrdinal, SegmentReader, TantivyDocument, Term,
};

use crate::Failure;
use crate::engine::{Answer, Engine, after, wanted};
use crate::person;
use crate::question::{Ask, Kind};

/// Memory of the one indexing thread.
const WRITER_BYTES: usize = 256 << 20;

const WORDS: &str = "words";

#[derive(Clone, Copy)]
struct Fields {
    identity: Field,
    given: Field,
    middle: Field,
    surname: Field,
    city: Field,
    whole_given: Field,
    whole_surname: Field,
    county: Field,
    birth: Field,
    version: Field,
}

fn schema() -> (Schema, Fields) {
    let mut schema = Schema::builder();
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(WORDS)
        .set_fieldnorms(false)
        .set_index_option(IndexRecordOption::Basic);
    let text = TextOptions::default().set_indexing_options(indexing);
    let fields = Fields {
        identity: schema.add_u64_field("identity", INDEXED | FAST),
        given: schema.add_text_field("given", text.clone()),
        middle: schema.add_text_field("middle", text.clone()),
        surname: schema.add_text_field("surname", text.clone()),
        city: schema.add_text_field("city", text),
        whole_given: schema.add_text_field("whole_given", STRING),
        whole_surname: schema.add_text_field("whole_surname", STRING),
        county: schema.add_text_field("county", STRING),
        birth: schema.add_u64_field("birth", INDEXED),
        version: schema.add_u64_field("version", INDEXED),
    };
    (schema.build(), fields)
}

pub struct Tantivy {
    folder: PathBuf,
    searcher: Searcher,
    fields: Fields,
}

impl Tantivy {
    /// Opens the index in `folder`, and fills it first when it is not there.
    pub fn open(folder: &Path, state: &State) -> Result<Self, Failure> {
        let (schema, fields) = schema();
        let folder = folder.join("tantivy");
        if !folder.is_dir() {
            fill(&folder.with_extension("part"), schema, fields, state)?;
            std::fs::rename(folder.with_extension("part"), &folder)?;
        }
        let searcher = Index::open_in_dir(&folder)?.reader()?.searcher();
        let segments = searcher.segment_readers().len();
        if segments != 1 {
            return Err(format!("tantivy has {segments} segments instead of one").into());
        }
        Ok(Self {
            folder,
            searcher,
            fields,
        })
    }

    fn query(&self, ask: &Ask) -> Result<Box<dyn Query>, Failure> {
        let f = self.fields;
        Ok(match ask {
            Ask::Identity(identity) => term(Term::from_field_u64(f.identity, *identity)),
            Ask::WordPrefix { county, prefix } => both(
                term(Term::from_field_text(f.county, county)),
                begins(f.surname, prefix),
            ),
            Ask::Surname {
                county: Some(county),
                prefix,
            } => both(
                term(Term::from_field_text(f.county, county)),
                begins(f.whole_surname, prefix),
            ),
            Ask::Surname {
                county: None,
                prefix,
            } => begins(f.whole_surname, prefix),
            Ask::FullName { given, surname } => both(
                term(Term::from_field_text(f.whole_surname, surname)),
                term(Term::from_field_text(f.whole_given, given)),
            ),
            Ask::Born { from, to } => Box::new(RangeQuery::new(
                Bound::Included(Term::from_field_u64(f.birth, u64::from(*from))),
                Bound::Included(Term::from_field_u64(f.birth, u64::from(*to))),
            )),
            Ask::Changed { since } => Box::new(RangeQuery::new(
                Bound::Included(Term::from_field_u64(f.version, *since)),
                Bound::Unbounded,
            )),
            Ask::Words(all) => Box::new(BooleanQuery::intersection(
                all.iter().map(|word| self.anywhere(word)).collect(),
            )),
        })
    }

    /// A word that begins about so, one letter wrong at most, in any name or the city.
    fn anywhere(&self, word: &str) -> Box<dyn Query> {
        let f = self.fields;
        let within = |field| -> Box<dyn Query> {
            let term = Term::from_field_text(field, word);
            Box::new(FuzzyTermQuery::new_prefix(term, 1, true))
        };
        Box::new(BooleanQuery::union(
            [f.given, f.middle, f.surname, f.city].map(within).into(),
        ))
    }
}

fn term(term: Term) -> Box<dyn Query> {
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}

fn begins(field: Field, prefix: &str) -> Box<dyn Query> {
    let query = RangeQuery::new(
        Bound::Included(Term::from_field_text(field, prefix)),
        Bound::Excluded(Term::from_field_text(field, &after(prefix))),
    );
    Box::new(ConstScoreQuery::new(Box::new(query), 1.0))
}

fn both(one: Box<dyn Query>, other: Box<dyn Query>) -> Box<dyn Query> {
    Box::new(BooleanQuery::intersection(vec![one, other]))
}

fn fill(folder: &Path, schema: Schema, f: Fields, state: &State) -> Result<(), Failure> {
    if folder.is_dir() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder)?;
    let index = with_words(Index::create_in_dir(folder, schema)?);
    let mut writer = index.writer_with_num_threads(1, WRITER_BYTES)?;
    person::each(state, |person, _| {
        let cut = |text: &str| words(text).collect::<Vec<_>>().join(" ");
        let mut document = TantivyDocument::default();
        document.add_u64(f.identity, person.identity);
        document.add_text(f.given, cut(&person.given));
        document.add_text(f.middle, cut(&person.middle));
        document.add_text(f.surname, cut(&person.surname));
        document.add_text(f.city, cut(&person.city));
        document.add_text(f.whole_given, &person.given);
        document.add_text(f.whole_surname, &person.surname);
        document.add_text(f.county, &person.county);
        document.add_u64(f.birth, u64::from(person.birth));
        document.add_u64(f.version, person.version);
        writer.add_document(document)?;
        Ok(())
    })?;
    writer.commit()?;
    let segments = index.searchable_segment_ids()?;
    if segments.len() > 1 {
        writer.merge(&segments).wait()?;
    }
    writer.garbage_collect_files().wait()?;
    writer.wait_merging_threads()?;
    Ok(())
}

fn with_words(index: Index) -> Index {
    let words = TextAnalyzer::from(WhitespaceTokenizer::default());
    index.tokenizers().register(WORDS, words);
    index
}

/// Counts, and keeps the first: nothing is scored or sorted.
struct First(usize);

struct FirstOfSegment {
    identities: Column<u64>,
    most: usize,
    answer: Answer,
}

impl Collector for First {
    type Fruit = (u64, Vec<u64>);
    type Child = FirstOfSegment;

    fn for_segment(
        &self,
        _: SegmentOrdinal,
        reader: &SegmentReader,
    ) -> tantivy::Result<Self::Child> {
        Ok(FirstOfSegment {
            identities: reader.fast_fields().u64("identity")?,
            most: self.0,
            answer: Answer::default(),
        })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, fruits: Vec<(u64, Vec<u64>)>) -> tantivy::Result<(u64, Vec<u64>)> {
        Ok(fruits.into_iter().next().unwrap_or_default())
    }
}

impl SegmentCollector for FirstOfSegment {
    type Fruit = (u64, Vec<u64>);

    fn collect(&mut self, doc: DocId, _: Score) {
        self.answer.count += 1;
        if self.answer.hits.len() < self.most {
            self.answer.hits.extend(self.identities.first(doc));
        }
    }

    fn harvest(self) -> Self::Fruit {
        (self.answer.count, self.answer.hits)
    }
}

impl Engine for Tantivy {
    fn name(&self) -> &'static str {
        "tantivy"
    }

    fn takes(&self, kind: Kind) -> bool {
        kind != Kind::Records
    }

    fn answer(&mut self, kind: Kind, ask: &Ask) -> Result<Answer, Failure> {
        let query = self.query(ask)?;
        let (count, hits) = self.searcher.search(&query, &First(wanted(kind)))?;
        Ok(Answer {
            count,
            hits,
            ..Answer::default()
        })
    }

    fn sizes(&mut self) -> Result<Vec<(String, u64)>, Failure> {
        let space = self.searcher.space_usage()?;
        let mut sizes = Vec::new();
        for segment in space.segments() {
            for (name, field) in [
                ("terms", segment.termdict()),
                ("postings", segment.postings()),
                ("fast fields", segment.fast_fields()),
            ] {
                sizes.push((name.to_owned(), field.total().get_bytes()));
            }
        }
        let mut files = 0;
        for entry in std::fs::read_dir(&self.folder)? {
            files += entry?.metadata()?.len();
        }
        sizes.push(("all files".to_owned(), files));
        Ok(sizes)
    }
}
