//! JSON values of a payload.

use crate::frame::{token, word, Frame, NO_FRAME, TOKEN_STRIDE};
use crate::host;
use crate::statements::Arg;

/// The kind of a JSON value, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    None = 0,
    Null = 1,
    False = 2,
    True = 3,
    Number = 4,
    String = 5,
    Array = 6,
    Object = 7,
}

/// One JSON value of a payload. Nothing is copied: its text is the input's own. One that is
/// not there answers every question with nothing, so a path may be followed to its end and
/// checked once.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    frame: &'a Frame<'a>,
    row: usize, // offset of its token; 0 when it is not there
    first: usize,
}

impl Default for Value<'_> {
    /// A value that is not there.
    fn default() -> Self {
        Value { frame: &NO_FRAME, row: 0, first: 0 }
    }
}

impl<'a> Value<'a> {
    pub(crate) fn new(frame: &'a Frame<'a>, row: usize, first: usize) -> Value<'a> {
        Value { frame, row, first }
    }

    /// Whether the value is there. Null is.
    pub fn exists(self) -> bool {
        self.row != 0
    }

    /// The kind of the value.
    pub fn kind(self) -> Kind {
        if self.row == 0 {
            return Kind::None;
        }
        match self.frame.bytes[self.row + token::TYPE] {
            1 => Kind::Null,
            2 => Kind::False,
            3 => Kind::True,
            4 => Kind::Number,
            5 => Kind::String,
            6 => Kind::Array,
            7 => Kind::Object,
            _ => Kind::None,
        }
    }

    /// Whether the value is there and null.
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// Whether the value is a string.
    pub fn is_string(self) -> bool {
        self.kind() == Kind::String
    }

    /// Whether the value is a number.
    pub fn is_number(self) -> bool {
        self.kind() == Kind::Number
    }

    /// Whether the value is an object.
    pub fn is_object(self) -> bool {
        self.kind() == Kind::Object
    }

    /// Whether the value is an array.
    pub fn is_array(self) -> bool {
        self.kind() == Kind::Array
    }

    /// A string without quotes and escapes, or the JSON text of any other value; empty when
    /// it is not there.
    pub fn text(self) -> &'a str {
        if self.row == 0 {
            return "";
        }
        self.frame.text_at(self.row + token::VALUE)
    }

    /// The bytes of the text, which nobody looks at before.
    pub fn bytes(self) -> &'a [u8] {
        if self.row == 0 {
            return &[];
        }
        self.frame.bytes_at(self.row + token::VALUE)
    }

    /// The value for a parameter: its text by reference, or null when the value is null or not
    /// there. It is the cheapest argument there is.
    pub fn arg(self) -> Arg<'a> {
        match self.kind() {
            Kind::None | Kind::Null => Arg::null(),
            _ => Arg::input(self.frame, self.row + token::VALUE),
        }
    }

    /// The value as it stands in the payload: a string with its quotes and escapes, anything
    /// else as `text` gives it; empty when it is not there.
    pub fn json(self) -> &'a str {
        match self.json_ref() {
            Some((offset, size)) => host::text(&self.frame.bytes[offset..offset + size]),
            None => "",
        }
    }

    /// The value for a parameter of type json or jsonb: its JSON by reference. JSON's null stays
    /// one; SQL's null is a value that is not there.
    pub fn json_arg(self) -> Arg<'a> {
        match self.json_ref() {
            Some((offset, size)) => Arg::at(self.frame, offset as u32, size as u32),
            None => Arg::null(),
        }
    }

    /// Where the JSON stands in the frame, and how long it is.
    fn json_ref(self) -> Option<(usize, usize)> {
        if self.row == 0 {
            return None;
        }
        let (offset, size) = (self.frame.u32(self.row + token::VALUE) as usize, self.frame.u32(self.row + token::VALUE + 4) as usize);
        if self.kind() != Kind::String {
            return Some((offset, size));
        }
        if self.frame.bytes[self.row + token::FLAGS] & token::FLAG_VALUE_UNESCAPED == 0 {
            return Some((offset - 1, size + 2)); // in place: the quotes stand around it
        }
        Some((offset - self.frame.u32(offset - 8) as usize, self.frame.u32(offset - 4) as usize))
    }

    /// A member of an object. Of members with the same name the last counts, as in most
    /// readers of JSON.
    pub fn field(self, name: &str) -> Value<'a> {
        if self.kind() != Kind::Object {
            return Value::default();
        }
        let (frame, stride) = (self.frame, self.frame.tokens.stride);
        let (mut found, end) = (0, self.behind());
        let mut row = self.row + stride;
        while row < end {
            let token = frame.row::<TOKEN_STRIDE>(row);
            if word(token, token::KEY + 4) as usize == name.len() && same(frame.bytes_at(row + token::KEY), name.as_bytes()) {
                found = row;
            }
            let next = self.first + word(token, token::NEXT) as usize * stride;
            assert!(next > row, "a token of the input frame does not move on");
            row = next;
        }
        Value { row: found, ..self }
    }

    /// The elements of an array or members of an object, in their order, each with its key,
    /// which is empty in an array.
    pub fn members(self) -> Members<'a> {
        let end = match self.kind() {
            Kind::Array | Kind::Object => self.behind(),
            _ => 0,
        };
        Members { next: Value { row: self.row + self.frame.tokens.stride, ..self }, end }
    }

    /// The offset of the token behind this value and all that it contains.
    fn behind(self) -> usize {
        let behind = self.first + self.frame.u32(self.row + token::NEXT) as usize * self.frame.tokens.stride;
        assert!(behind > self.row, "a token of the input frame does not move on");
        behind
    }
}

/// What `Value::members` gives.
pub struct Members<'a> {
    next: Value<'a>,
    end: usize,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.next.row >= self.end {
            return None;
        }
        let member = self.next;
        self.next.row = member.behind();
        Some((member.frame.text_at(member.row + token::KEY), member))
    }
}

/// Compares byte by byte: keys are short, and a call of memcmp costs more than it saves.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x == y)
}
