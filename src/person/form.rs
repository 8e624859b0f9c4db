//! A form: what a message says of a person, filled in field by field as the message is read. Whoever
//! fills it in sees no record; the rules that change records take it from there.

use super::edit::Group;
use super::field::{Field, Wrap};
use super::identity::Identity;
use super::schema::Kind;
use super::value::{Value, ValueError};
use crate::base::time::PartialDate;

/// A form for fields of the person record. Not `Debug`: it is personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct Form {
    /// The groups that are open, the record first.
    open: Vec<Group>,
}

impl Form {
    /// An empty form.
    pub fn new() -> Self {
        Self {
            open: vec![Group::new(Field::RECORD)],
        }
    }

    /// Opens a group. The field lies below the group opened last and not yet closed.
    pub fn open(&mut self, group: Field) {
        self.open.push(Group::new(group));
    }

    /// Closes the group opened last. One that holds nothing is kept, so that a rule can ask for its
    /// contents, unless it is the wrapper of a value that was not told.
    pub fn close(&mut self) {
        if self.open.len() > 1
            && let Some(group) = self.open.pop()
            && let Some(around) = self.open.last_mut()
            && !(group.is_empty() && group.field().info().wrap == Wrap::Wrapper)
        {
            around.push(group);
        }
    }

    /// Fills in a field with text. A blank text says nothing, and neither does the mark beside a
    /// wrapped value, which no sender uses any more.
    pub fn text(&mut self, field: Field, text: &str) -> Result<(), ValueError> {
        let optional = !field.info().row.occurs.mandatory() || field.info().wrap == Wrap::Value;
        let blank = text.trim().is_empty() && field.kind() == Kind::Text && optional;
        if blank || field.info().wrap == Wrap::Mark {
            return Ok(());
        }
        let value = Value::parse(field, text)?;
        self.put(field, value);
        Ok(())
    }

    /// Fills in a field with a date, told by its format and its value as in `PartialDateType`.
    pub fn date(&mut self, field: Field, format: &str, value: &str) -> Result<(), ValueError> {
        let date = PartialDate::parse(value)
            .filter(|date| date.format() == format && value.len() == format.len())
            .ok_or(ValueError::NotADate)?;
        self.put(field, Value::PartialDate(date));
        Ok(())
    }

    /// Fills in a field with an identity.
    pub fn identity(&mut self, field: Field, identity: Identity) {
        self.put(field, Value::Identity(identity));
    }

    /// What has been filled in, as a record's group. Groups that are still open are closed.
    pub fn group(mut self) -> Group {
        while self.open.len() > 1 {
            self.close();
        }
        self.open.pop().unwrap_or_else(|| Group::new(Field::RECORD))
    }

    fn put(&mut self, field: Field, value: Value) {
        if let Some(group) = self.open.last_mut() {
            group.push_value(field, value);
        }
    }
}

impl Default for Form {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::person::edit::tests::identity;

    const SURNAME: Field = Field::at("name/surname");
    const BORN: Field = Field::at("birth/dateOfBirth");

    #[test]
    fn a_form_becomes_the_groups_it_was_filled_in_with() {
        let mut form = Form::new();
        form.open(Field::at("name"));
        form.text(SURNAME, "Åkeräng").unwrap();
        form.close();
        form.open(Field::at("addressInformation/givenAddress"));
        let city = Field::at("addressInformation/givenAddress/city");
        form.text(city, "SUNDSVALL").unwrap();
        form.close();
        for kind in ["B", "M"] {
            form.open(Field::at("relationship"));
            form.open(Field::at("relationship/relationshipId"));
            let relative = Field::at("relationship/relationshipId/personalIdentity");
            form.identity(relative, identity("191212121212"));
            form.close();
            let field = Field::at("relationship/relationshipType");
            form.text(field, kind).unwrap();
            form.close();
        }
        let group = form.group();
        assert_eq!(group.text(SURNAME), Some("Åkeräng"));
        assert_eq!(group.text(city), Some("SUNDSVALL"));
        let kinds: Vec<_> = group
            .entries(Field::at("relationship"))
            .map(|it| it.text(Field::at("relationship/relationshipType")))
            .collect();
        assert_eq!(kinds, [Some("B"), Some("M")]);
    }

    #[test]
    fn dates_have_exactly_the_form_they_name() {
        let mut form = Form::new();
        for (format, value, right) in [
            ("YYYY-MM-DD", "1980-01-02", true),
            ("YYYY-MM", "1980-01", true),
            ("YYYY", "1980", true),
            ("YYYY", "1980-01", false),
            ("YYYY-MM-DD", "19800102", false),
            ("YYYY-MM-DD", "1980-02-30", false),
        ] {
            assert_eq!(form.date(BORN, format, value).is_ok(), right, "{value}");
        }
    }

    #[test]
    fn blank_texts_and_old_marks_say_nothing() {
        let mut form = Form::new();
        form.text(SURNAME, "  ").unwrap();
        form.text(Field::at("gender"), "").unwrap();
        form.text(Field::at("name/surname/attested"), "true")
            .unwrap();
        assert!(form.clone().group().is_empty());
        form.open(Field::at("contactInformation"));
        let kind = Field::at("contactInformation/contactType");
        form.text(kind, "").unwrap();
        assert!(form.clone().group().entries(kind.parent()).next().is_some());
        let long = "x".repeat(41);
        assert_eq!(form.text(kind, &long), Err(ValueError::TooLong(40)));
    }
}
