//! A guest's calls.

use crate::frame::{record, Frame, MAX_INPUT};
use crate::host;
use crate::statements::{Outcome, Statements};
use crate::version::Version;

/// A guest: its function, and the buffers of its calls. The macro `guest` makes the one of a
/// module; a test may make its own.
pub struct Program {
    convert: fn(Version, &mut Statements) -> Outcome,
    arena: Vec<u8>,
    out: Statements,
}

impl Program {
    /// A program of that function.
    pub fn new(convert: fn(Version, &mut Statements) -> Outcome) -> Program {
        Program { convert, arena: Vec::new(), out: Statements::default() }
    }

    /// Joins an address and a length the way that describe and convert return them.
    pub fn pack(address: u32, size: u32) -> u64 {
        u64::from(address) << 32 | u64::from(size)
    }

    /// Makes the message of a panic the message of the fault that it is.
    pub fn catch_panics() {
        std::panic::set_hook(Box::new(|panic| host::abort(&panic.to_string())));
    }

    /// Room for an input frame, aligned to 8; 0 refuses.
    pub fn alloc(&mut self, size: u32) -> u32 {
        if size > MAX_INPUT {
            return 0;
        }
        if self.arena.len() < size as usize + 8 {
            self.arena = Vec::new(); // before the new one is made
            let room = size as usize + size as usize / 2 + 4096;
            self.arena = Vec::with_capacity(room);
            while self.arena.len() < room {
                // In pieces: one memory.fill, which rustc makes of it since 1.87, may be 4 MiB.
                self.arena.resize(room.min(self.arena.len() + (1 << 20)), 0);
            }
        }
        self.input() as u32
    }

    /// The address of the input frame: the first in the arena that is divisible by 8.
    fn input(&self) -> usize {
        (self.arena.as_ptr() as usize + 7) & !7
    }

    /// Converts the frame that stands in the arena; 0 is a fault.
    pub fn convert(&mut self, address: u32, size: u32) -> u64 {
        let skip = self.input() - self.arena.as_ptr() as usize;
        if address != self.input() as u32 || skip + size as usize > self.arena.len() {
            return 0;
        }
        let frame = match Frame::open(&self.arena[skip..skip + size as usize], address) {
            Ok(frame) => frame,
            Err(why) => host::abort(why),
        };
        run(&frame, self.convert, &mut self.out);
        let text = self.out.text().as_ptr() as usize as u32;
        let answer = self.out.finish(text);
        Program::pack(answer.as_ptr() as usize as u32, answer.len() as u32 * 4)
    }
}

/// Converts each version of a frame.
pub(crate) fn run(frame: &Frame, convert: fn(Version, &mut Statements) -> Outcome, out: &mut Statements) {
    out.reset();
    let records = frame.records;
    let row = |i: usize| records.offset + i * records.stride;
    let first = |i: usize| frame.u32(row(i) + record::FLAGS) & record::FLAG_FIRST != 0;
    let mut begin = 0;
    while begin < records.count {
        let mut end = begin + 1;
        while end < records.count && !first(end) {
            end += 1;
        }
        let mark = out.mark();
        let outcome = convert(Version::new(frame, row(begin), end - begin), out);
        out.settle(outcome, end - begin, mark);
        begin = end;
    }
}
