//! `pu search`: one search from the command line, through the same door as a SOAP request.

use std::io::Write;

use clap::Args;

use super::out::complain;
use super::record::{SHOWN, record};
use super::register::Register;
use super::{Common, Failure};
use crate::access::audit::Entry;
use crate::person::field::Field;
use crate::person::identity::Formats;
use crate::person::json;
use crate::person::record::Damaged;
use crate::person::value::{ValueRef, escape_into};
use crate::person::view::{Profile, View};
use crate::query::search::{Explanation, Found};
use crate::query::work::Budget;
use crate::wire::disclosed::Disclosed;
use crate::wire::fault::Trouble;
use crate::wire::search::{Language, Search as Wanted};

/// Search in a register that need not be served.
#[derive(Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub struct Search {
    /// SimpleQL: FROM PersonRecord WHERE ...; or words, with --text
    #[arg(value_name = "QUERY")]
    query: String,
    /// The query is words, as people type them
    #[arg(long)]
    text: bool,
    /// Profile: P1 to P5
    #[arg(long, default_value = "P3")]
    profile: String,
    /// Contract version of --soap: 3, 4 or 5
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(3..=5))]
    version: u8,
    /// As the Unrestricted contract: protected persons in full
    #[arg(long)]
    unrestricted: bool,
    /// JSON, one person a line, instead of a table
    #[arg(long, conflicts_with = "soap")]
    json: bool,
    /// The SOAP answer instead of a table
    #[arg(long)]
    soap: bool,
    /// How the search went, on standard error
    #[arg(long)]
    explain: bool,
    #[command(flatten)]
    common: Common,
}

impl Search {
    pub fn run(self) -> Result<(), Failure> {
        let language = if self.text {
            Language::Text
        } else {
            Language::SimpleQl
        };
        let first = self.query.split_whitespace().next().unwrap_or("");
        if language == Language::SimpleQl && !first.eq_ignore_ascii_case("FROM") {
            return Err("a query begins with FROM, for instance: FROM PersonRecord WHERE name.surname = 'Testsson'; or search for words with --text".into());
        }
        let profile = Profile::parse(&self.profile).ok_or("the profile is P1, P2, P3, P4 or P5")?;
        let register = Register::open(&self.common)?;
        self.ask(&register, language, profile)
            .map_err(|failure| register.told(failure))
    }

    fn ask(
        &self,
        register: &Register,
        language: Language,
        profile: Profile,
    ) -> Result<(), Failure> {
        let formats = &register.formats;
        let told = |trouble: &Trouble| Failure::from(format!("the search is refused: {trouble}"));
        let recorded = |disclosed: &Disclosed, answer| {
            record(&register.config, disclosed, self.entry(profile, answer))
        };
        let refused = |trouble: &Trouble| match recorded(&Disclosed::default(), trouble.kind().name)
        {
            Ok(()) => told(trouble),
            Err(unrecorded) => unrecorded,
        };
        let mut out = std::io::stdout().lock();
        if self.soap {
            let answer = register.soap(
                "SearchPersonsForProfile",
                self.unrestricted,
                self.version,
                &self.message(language),
            )?;
            let (disclosed, answer) = answer.map_err(|trouble| refused(&trouble))?;
            recorded(&disclosed, SHOWN)?;
            out.write_all(&answer)?;
            writeln!(out)?;
            if !self.explain {
                return Ok(());
            }
        }
        let grant = register.grant(profile, self.unrestricted);
        let found = Wanted::read(language, &self.query, profile, formats)
            .perform(&register.state, &grant, Budget::Whole)
            .map_err(|error| refused(&error.into()))?;
        if !self.soap {
            let mut disclosed = Disclosed::default();
            found.hits.iter().for_each(|view| disclosed.show(view));
            recorded(&disclosed, SHOWN)?;
        }
        if self.explain {
            explain(&found.explanation);
        }
        if self.json {
            for view in &found.hits {
                let mut line = Vec::new();
                json::write(view, formats, &mut line)?;
                line.push(b'\n');
                out.write_all(&line)?;
            }
        } else if !self.soap {
            out.write_all(table(&found, formats)?.as_bytes())?;
        }
        Ok(())
    }

    /// What is recorded of it.
    fn entry(&self, profile: Profile, answer: &'static str) -> Entry<'_> {
        Entry {
            profile: Some(profile),
            unrestricted: self.unrestricted,
            query: Some(&self.query),
            ..Entry::new("cli/search", answer)
        }
    }

    /// What stands in the request's element.
    fn message(&self, language: Language) -> String {
        let mut query = Vec::new();
        escape_into(&mut query, &self.query);
        let query = String::from_utf8_lossy(&query);
        let (language, profile) = (language.name(), &self.profile);
        format!(
            "<r:query>{query}</r:query><r:queryLanguage>{language}</r:queryLanguage>\
             <r:profile>{profile}</r:profile>"
        )
    }
}

/// Identity, name, date of birth and city of each hit, as far as its view shows them.
fn table(found: &Found<'_>, formats: &Formats) -> Result<String, Damaged> {
    let mut rows = vec![["identity", "name", "born", "city"].map(str::to_owned)];
    for view in &found.hits {
        let identity = formats.text(view.identity()).ok_or(Damaged)?;
        let name = [
            Field::at("name/givenName"),
            Field::at("name/middleName"),
            Field::at("name/surname"),
        ];
        let mut parts = Vec::new();
        for field in name {
            parts.extend(first(view, field)?);
        }
        let born = first(view, Field::at("birth/dateOfBirth"))?;
        let city = first(
            view,
            Field::at("addressInformation/residentialAddress/city"),
        )?;
        rows.push([
            identity.as_str().to_owned(),
            parts.join(" "),
            born.unwrap_or_default(),
            city.unwrap_or_default(),
        ]);
    }
    let mut widths = [0; 4];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; 4]| {
        let cells = row.iter().zip(widths);
        let padded: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        format!("{}\n", padded.join("  ").trim_end())
    };
    let mut text: String = rows.iter().map(line).collect();
    text += &match found.hits.len() {
        1 => "1 hit\n".to_owned(),
        hits => format!("{hits} hits\n"),
    };
    Ok(text)
}

/// The first value of a field that the view shows.
fn first(view: &View<'_>, field: Field) -> Result<Option<String>, Damaged> {
    match view.values(field).next().transpose()? {
        Some(ValueRef::Text(text)) => Ok(Some(text.plain()?.into_owned())),
        Some(ValueRef::Date(date) | ValueRef::PartialDate(date)) => {
            let (written, len) = date.written();
            Ok(Some(String::from_utf8_lossy(&written[..len]).into_owned()))
        }
        _ => Ok(None),
    }
}

fn explain(explanation: &Explanation) {
    let wide = |step: &crate::query::search::Step| step.what.chars().count();
    let width = explanation
        .steps
        .iter()
        .map(wide)
        .max()
        .unwrap_or(0)
        .max(12);
    complain!("{:width$}  {:>10}", "step", "left");
    for step in &explanation.steps {
        complain!("{:width$}  {:>10}", step.what, step.left);
    }
    for (name, number) in [
        ("postings", explanation.postings),
        ("candidates", explanation.candidates),
        ("hits", explanation.hits),
        ("work", explanation.work),
        ("microseconds", explanation.microseconds),
    ] {
        complain!("{name:width$}  {number:>10}");
    }
}
