//! What metrics there are: everything that is described when they are made.

use std::cell::RefCell;

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// Hears what is described, and counts nothing.
#[derive(Default)]
pub(super) struct Listener(RefCell<Vec<(String, String)>>);

impl Listener {
    /// Names, and what each says.
    pub(super) fn heard(self) -> Vec<(String, String)> {
        self.0.into_inner()
    }

    fn hear(&self, name: &KeyName, says: &SharedString) {
        let row = (name.as_str().to_owned(), says.to_string());
        self.0.borrow_mut().push(row);
    }
}

impl Recorder for Listener {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, says: SharedString) {
        self.hear(&name, &says);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, says: SharedString) {
        self.hear(&name, &says);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, says: SharedString) {
        self.hear(&name, &says);
    }

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
