//! Two registers that differ in one hidden postal code: whatever is asked costs the same in both, to
//! the instruction or nearly. The person is protected when the snapshot is made, or only since.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use pu::person::edit::Person;
use pu::person::field::Field;
use pu::person::identity::{Formats, IdentityType};
use pu::person::record::RecordRef;
use pu::person::value::Value;
use pu::person::view::{Grant, Profile, ProtectionRules};
use pu::query::search::{Question, search};
use pu::store::compact::write_whole;
use pu::store::overlay::Overlay;
use pu::store::snapshot::Snapshot;
use pu::store::state::{State, open_newest};

use crate::Failure;

/// Folders of the registers whose snapshots hold the one and the other.
const FOLDERS: [&str; 2] = ["one", "other"];

const CODE: Field = Field::at("addressInformation/residentialAddress/postalCode");
const BORN: Field = Field::at("birth/dateOfBirth");
const PROTECTED: Field = Field::at("protectedPersonIndicator");

/// The registers, and guesses.
pub struct Twins {
    /// By how long the person has been protected, and by the code.
    states: [[State; 2]; 2],
    questions: Vec<Question>,
}

/// The protected person with the one code and with the other, and the codes.
struct Victim {
    born: String,
    codes: [String; 2],
    people: [Person; 2],
}

fn victim(snapshot: &Snapshot) -> Result<Victim, Failure> {
    let mut people = Vec::new();
    for record in snapshot.records() {
        let record = RecordRef::open(record?)?;
        if record.identity().kind() == IdentityType::Pnr && !record.shield().is_on() {
            let person = Person::from_record(record)?;
            if person.text(CODE).is_some() && person.value(BORN).is_some() {
                people.push(person);
            }
        }
    }
    let at = people.len() / 2;
    let mut person = people.swap_remove(at);
    let code = person.text(CODE).unwrap_or_default().to_owned();
    let codes = people.iter().filter_map(|it| it.text(CODE));
    let other = codes.into_iter().find(|it| **it != code);
    let codes = [
        code.clone(),
        other.ok_or("everybody lives there")?.to_owned(),
    ];
    let born = person.value(BORN).and_then(Value::as_date);
    let born = born.ok_or("born on no day")?.to_string();
    person.set(PROTECTED, Value::Boolean(true));
    let people = codes.each_ref().map(|code| {
        let mut person = person.clone();
        person.set(CODE, Value::from(code.as_str()));
        person
    });
    Ok(Victim {
        born,
        codes,
        people,
    })
}

fn with(snapshot: &Arc<Snapshot>, person: &Person) -> Result<State, Failure> {
    let overlay = Overlay::of([person.to_record()?.into_boxed_slice()])?;
    Ok(State::with_overlay(Arc::clone(snapshot), overlay, 2)?)
}

/// Builds the registers whose snapshots hold the person, beside the one in a folder.
pub fn prepare(folder: &Path, formats: &Formats) -> Result<(), Failure> {
    let snapshot = Arc::new(open_newest(folder, formats)?.ok_or("there is no register")?);
    let victim = victim(&snapshot)?;
    for (name, person) in FOLDERS.iter().zip(&victim.people) {
        let folder = folder.join(name);
        fs::create_dir_all(&folder)?;
        write_whole(&folder, formats, &with(&snapshot, person)?, |_| {})?;
    }
    Ok(())
}

impl Twins {
    /// Opens the registers in a folder.
    pub fn open(folder: &Path, formats: &Formats) -> Result<Self, Failure> {
        let snapshot = Arc::new(open_newest(folder, formats)?.ok_or("there is no register")?);
        // As they are while serving.
        snapshot.verify(|_, _| {})?;
        let victim = victim(&snapshot)?;
        let held = |name| -> Result<State, Failure> {
            let snapshot = open_newest(&folder.join(name), formats)?.ok_or("no twin")?;
            snapshot.verify(|_, _| {})?;
            Ok(State::of_snapshot(Arc::new(snapshot))?)
        };
        let [one, other] = &victim.people;
        let states = [
            [held(FOLDERS[0])?, held(FOLDERS[1])?],
            [with(&snapshot, one)?, with(&snapshot, other)?],
        ];
        let heavy: Vec<String> = (0..60)
            .map(|at| format!("name.givenName LIKE '%a{at}%b%'"))
            .collect();
        let (born, heavy) = (&victim.born, heavy.join(" OR "));
        let guess = |code: &String| {
            let code = format!("addressInformation.residentialAddress.postalCode = '{code}'");
            [
                format!("birth.dateOfBirth = '{born}' AND {code} AND ({heavy})"),
                format!("{code} OR name.surname = 'zetterqvist'"),
                format!("birth.dateOfBirth = '{born}' AND NOT {code}"),
            ]
        };
        let asked = victim.codes.iter().flat_map(guess);
        let questions = asked.map(|it| {
            let text = format!("FROM PersonRecord WHERE {it}");
            Question::parse("SimpleQL", &text, formats)
        });
        Ok(Self {
            states,
            questions: questions.collect::<Result<_, _>>()?,
        })
    }

    /// Asks one of the registers.
    pub fn ask(&self, since: usize, code: usize, turn: usize) -> Result<(), Failure> {
        let grant = Grant::restricted(Profile::P5, ProtectionRules::STANDARD);
        let question = &self.questions[turn % self.questions.len()];
        search(&self.states[since][code], question, &grant, 500)?;
        Ok(())
    }
}
