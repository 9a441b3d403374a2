//! Versions and the items of their statemaps.

use crate::frame::{record, Frame};
use crate::statements::Arg;
use crate::value::Value;

/// A committed version: the items of its statemap that this guest converts, in their order.
/// There is at least one.
#[derive(Clone, Copy)]
pub struct Version<'a> {
    frame: &'a Frame<'a>,
    row: usize,
    items: usize,
}

impl<'a> Version<'a> {
    pub(crate) fn new(frame: &'a Frame<'a>, row: usize, items: usize) -> Version<'a> {
        Version { frame, row, items }
    }

    /// How many items there are.
    #[allow(clippy::len_without_is_empty)] // it never is
    pub fn len(self) -> usize {
        self.items
    }

    /// The item at a place, from 0.
    pub fn item(self, index: usize) -> Item<'a> {
        assert!(index < self.items, "the version has {} items, not {}", self.items, index + 1);
        Item { frame: self.frame, row: self.row + index * self.frame.records.stride }
    }

    /// All items, in their order.
    pub fn items(self) -> Items<'a> {
        Items { version: self, next: 0 }
    }

    /// The version's number.
    pub fn number(self) -> u64 {
        self.frame.u64(self.row + record::VERSION)
    }

    /// The version that had to be installed before this one.
    pub fn safepoint(self) -> u64 {
        self.frame.u64(self.row + record::SAFEPOINT)
    }

    /// The candidate's time in nanoseconds since the Unix epoch. There is no other clock.
    pub fn time(self) -> i64 {
        self.frame.u64(self.row + record::TIME) as i64
    }

    /// The version as a value, in decimal.
    pub fn arg(self) -> Arg<'a> {
        Arg::input(self.frame, self.row + record::VERSION_TEXT)
    }

    /// The safepoint as a value, in decimal.
    pub fn safepoint_arg(self) -> Arg<'a> {
        Arg::input(self.frame, self.row + record::SAFEPOINT_TEXT)
    }

    /// The candidate's xid.
    pub fn xid(self) -> &'a str {
        self.frame.text_at(self.row + record::XID)
    }

    /// The candidate's xid as a value.
    pub fn xid_arg(self) -> Arg<'a> {
        Arg::input(self.frame, self.row + record::XID)
    }

    /// The candidate's cohort.
    pub fn cohort(self) -> &'a str {
        self.frame.text_at(self.row + record::COHORT)
    }

    /// The candidate's agent.
    pub fn agent(self) -> &'a str {
        self.frame.text_at(self.row + record::AGENT)
    }
}

/// What `Version::items` gives.
pub struct Items<'a> {
    version: Version<'a>,
    next: usize,
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        if self.next == self.version.items {
            return None;
        }
        self.next += 1;
        Some(self.version.item(self.next - 1))
    }
}

/// One action with its payload.
#[derive(Clone, Copy)]
pub struct Item<'a> {
    frame: &'a Frame<'a>,
    row: usize,
}

impl<'a> Item<'a> {
    /// The item's action.
    pub fn action(self) -> &'a str {
        self.frame.text_at(self.row + record::ACTION)
    }

    /// The item's place in its statemap.
    pub fn index(self) -> u32 {
        self.frame.u32(self.row + record::ITEM_INDEX)
    }

    /// The payload as it stands on the topic, for guests that bring a reader of their own.
    pub fn json(self) -> &'a str {
        self.frame.text_at(self.row + record::PAYLOAD)
    }

    /// The payload as a value, for a parameter of type json, jsonb or text.
    pub fn json_arg(self) -> Arg<'a> {
        Arg::input(self.frame, self.row + record::PAYLOAD)
    }

    /// The payload as a value to walk; it needs `"input": "tokens"`.
    pub fn payload(self) -> Value<'a> {
        let tokens = self.frame.tokens;
        let first = self.frame.u32(self.row + record::FIRST_TOKEN) as usize;
        let count = self.frame.u32(self.row + record::TOKEN_COUNT) as usize;
        assert!(first + count <= tokens.count, "the tokens of a record end behind the table");
        let row = tokens.offset + first * tokens.stride;
        Value::new(self.frame, if count == 0 { 0 } else { row }, row)
    }
}
