//! Everybody's notes, each user's apart. They live as long as the process.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

type OfOne = BTreeMap<u32, String>;

#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<HashMap<String, OfOne>>);

impl Notes {
    /// The numbers of a user's notes.
    pub(crate) fn numbers(&self, user: &str) -> Vec<u32> {
        self.all().get(user).map(|notes| notes.keys().copied().collect()).unwrap_or_default()
    }

    pub(crate) fn read(&self, user: &str, number: u32) -> Option<String> {
        self.all().get(user)?.get(&number).cloned()
    }

    /// Writes a note: its number.
    pub(crate) fn add(&self, user: &str, text: String) -> u32 {
        let mut all = self.all();
        let notes = all.entry(user.to_owned()).or_default();
        let number = notes.keys().last().map_or(1, |last| last.saturating_add(1));
        notes.insert(number, text);
        number
    }

    /// Whether there was such a note.
    pub(crate) fn delete(&self, user: &str, number: u32) -> bool {
        self.all().get_mut(user).is_some_and(|notes| notes.remove(&number).is_some())
    }

    pub(crate) fn wipe(&self) {
        self.all().clear();
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, OfOne>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
