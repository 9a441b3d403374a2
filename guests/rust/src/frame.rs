//! Input frames. A host is trusted by its guest: headers are checked when a frame is opened,
//! references by Rust's own bounds when they are read.

use crate::host;

pub const REVISION: u16 = 1;
pub const MAGIC_INPUT: u32 = 0x4948_4349;
pub const MAGIC_OUTPUT: u32 = 0x4f48_4349;
pub const MAX_INPUT: u32 = 16 << 20;
pub const MAX_MESSAGE: usize = 1024;

const HEADER: usize = 48;
const RECORD_STRIDE: usize = 104;
pub const TOKEN_STRIDE: usize = 24;

/// The fields of a record.
pub mod record {
    pub const VERSION: usize = 0;
    pub const SAFEPOINT: usize = 8;
    pub const TIME: usize = 16;
    pub const XID: usize = 24;
    pub const COHORT: usize = 32;
    pub const AGENT: usize = 40;
    pub const ACTION: usize = 48;
    pub const PAYLOAD: usize = 56;
    pub const VERSION_TEXT: usize = 64;
    pub const SAFEPOINT_TEXT: usize = 72;
    pub const FIRST_TOKEN: usize = 80;
    pub const TOKEN_COUNT: usize = 84;
    pub const ITEM_INDEX: usize = 88;
    pub const FLAGS: usize = 96;
    pub const FLAG_FIRST: u32 = 1;
}

/// The fields of a token.
pub mod token {
    pub const TYPE: usize = 0;
    pub const FLAGS: usize = 1;
    pub const FLAG_VALUE_UNESCAPED: u8 = 2;
    pub const KEY: usize = 4;
    pub const VALUE: usize = 12;
    pub const NEXT: usize = 20;
}

/// An input frame that stands at the address `base` of the instance's memory.
pub struct Frame<'a> {
    pub bytes: &'a [u8],
    pub base: u32,
    pub records: Table,
    pub tokens: Table,
}

/// The frame of a value that is not there.
pub static NO_FRAME: Frame<'static> = Frame {
    bytes: &[],
    base: 0,
    records: Table { offset: 0, count: 0, stride: 0 },
    tokens: Table { offset: 0, count: 0, stride: 0 },
};

#[derive(Clone, Copy)]
pub struct Table {
    pub offset: usize,
    pub count: usize,
    pub stride: usize,
}

impl<'a> Frame<'a> {
    /// Checks the header, and says what is wrong with it.
    pub fn open(bytes: &'a [u8], base: u32) -> Result<Frame<'a>, &'static str> {
        if bytes.len() < HEADER {
            return Err("the input frame has no header");
        }
        if u32_at(bytes, 0) != MAGIC_INPUT || u32_at(bytes, 4) as u16 != REVISION {
            return Err("the input frame is of another contract");
        }
        let total = u32_at(bytes, 8) as usize;
        if u32_at(bytes, 4) >> 16 < HEADER as u32 || total > bytes.len() || total < HEADER {
            return Err("the input frame is shorter than its header says");
        }
        let bytes = &bytes[..total];
        let records = table(bytes, 16, RECORD_STRIDE)?;
        let tokens = table(bytes, 28, TOKEN_STRIDE)?;
        Ok(Frame { bytes, base, records, tokens })
    }

    /// A row of a table, whose fields are then read without a further check.
    pub fn row<const N: usize>(&self, at: usize) -> &'a [u8; N] {
        self.bytes[at..at + N].try_into().expect("a slice of N bytes is N bytes long")
    }

    pub fn u32(&self, at: usize) -> u32 {
        u32_at(self.bytes, at)
    }

    pub fn u64(&self, at: usize) -> u64 {
        let mut word = [0; 8];
        word.copy_from_slice(&self.bytes[at..at + 8]);
        u64::from_le_bytes(word)
    }

    /// The bytes that the reference at an offset names.
    pub fn bytes_at(&self, at: usize) -> &'a [u8] {
        let field = self.row::<8>(at);
        let offset = word(field, 0) as usize;
        &self.bytes[offset..offset + word(field, 4) as usize]
    }

    /// The same as text.
    pub fn text_at(&self, at: usize) -> &'a str {
        host::text(self.bytes_at(at))
    }
}

fn table(bytes: &[u8], field: usize, least: usize) -> Result<Table, &'static str> {
    let count = u32_at(bytes, field) as usize;
    let stride = u32_at(bytes, field + 4) as usize;
    let offset = u32_at(bytes, field + 8) as usize;
    if stride < least || stride % 8 != 0 || offset % 8 != 0 {
        return Err("a table of the input frame is not laid out as the contract says");
    }
    match count.checked_mul(stride).and_then(|size| size.checked_add(offset)) {
        Some(end) if end <= bytes.len() => Ok(Table { offset, count, stride }),
        _ => Err("a table of the input frame ends behind it"),
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

/// The number at an offset of a row.
#[inline(always)]
pub fn word<const N: usize>(row: &[u8; N], at: usize) -> u32 {
    u32::from_le_bytes([row[at], row[at + 1], row[at + 2], row[at + 3]])
}
