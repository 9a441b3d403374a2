//! What a version becomes, and the output frame of it.

use crate::frame::{word, Frame, MAGIC_OUTPUT, MAX_MESSAGE, REVISION};

/// Why a version is not installed.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// There is, on purpose, nothing to install.
    Skip,
    /// It cannot be converted: it is held until somebody acts. See the macro `reject`.
    Reject {
        /// The guest's own.
        code: u32,
        /// What is wrong, for a person; cut to 1024 bytes.
        message: String,
    },
}

/// What a guest's function returns: `Ok(())`, or `Err` of a `Stop`, after which the statements
/// of the version are dropped. A panic is a fault of the guest: the host throws the instance
/// away and rejects the version.
pub type Outcome = Result<(), Stop>;

/// The value of one parameter, in Postgres's text format.
#[derive(Clone, Copy)]
pub struct Arg<'a>(Inner<'a>);

#[derive(Clone, Copy)]
enum Inner<'a> {
    Null,
    Input { address: u32, size: u32 },
    Made(&'a [u8]),
}

impl<'a> Arg<'a> {
    /// SQL's null.
    pub fn null() -> Arg<'a> {
        Arg(Inner::Null)
    }

    /// Text that the guest made; `exec` copies it.
    pub fn text(text: &'a str) -> Arg<'a> {
        Arg(Inner::Made(text.as_bytes()))
    }

    /// The reference at an offset of the frame. The host checks it when it reads the answer.
    pub(crate) fn input(frame: &Frame<'a>, at: usize) -> Arg<'a> {
        let field = frame.row::<8>(at);
        Arg(Inner::Input { address: frame.base + word(field, 0), size: word(field, 4) })
    }
}

const NULL: u32 = 1;
const IN_TEXT: u32 = 1 << 31; // until finish: an offset into the text

const HEADER: usize = 56;
const ANSWER: usize = 24;
const STATEMENT: usize = 16;
const ARGUMENT: usize = 12;

/// Takes what a version becomes. Its buffers are used again in each call.
#[derive(Default)]
pub struct Statements {
    answers: Vec<u8>, // rows, as they will stand in the frame
    statements: Vec<u8>,
    arguments: Vec<u8>,
    text: Vec<u8>,
    frame: Vec<u8>,
    moved: bool, // some row names the text
}

impl Statements {
    /// Adds a statement: a template of the manifest and a value for each parameter.
    pub fn exec(&mut self, template: u32, args: &[Arg]) {
        push(&mut self.statements, [template, (self.arguments.len() / ARGUMENT) as u32, args.len() as u32, 0]);
        self.arguments.reserve(args.len() * ARGUMENT);
        for arg in args {
            let row = match arg.0 {
                Inner::Null => [NULL, 0, 0],
                Inner::Input { address, size } => [0, address, size],
                Inner::Made(text) => self.made(text, text.len()),
            };
            push(&mut self.arguments, row);
        }
    }

    fn made(&mut self, text: &[u8], size: usize) -> [u32; 3] {
        let at = self.text.len() as u32;
        self.text.extend_from_slice(&text[..size]);
        self.moved = true;
        [IN_TEXT, at, size as u32]
    }

    pub(crate) fn reset(&mut self) {
        self.answers.clear();
        self.statements.clear();
        self.arguments.clear();
        self.text.clear();
        self.moved = false;
    }

    /// Where a version begins, for settle.
    pub(crate) fn mark(&self) -> (usize, usize) {
        (self.statements.len(), self.arguments.len())
    }

    /// Answers the records of one version. Its statements stand at its first record; the
    /// others say OK with none, or SKIP.
    pub(crate) fn settle(&mut self, outcome: Outcome, records: usize, mark: (usize, usize)) {
        let first = (mark.0 / STATEMENT) as u32;
        let mut others = 0;
        match outcome {
            Ok(()) => push(&mut self.answers, [first, ((self.statements.len() - mark.0) / STATEMENT) as u32, 0, 0, 0, 0]),
            Err(stop) => {
                self.statements.truncate(mark.0);
                self.arguments.truncate(mark.1);
                match stop {
                    Stop::Skip => {
                        others = 1;
                        push(&mut self.answers, [first, 0, 1, 0, 0, 0]);
                    }
                    Stop::Reject { code, message } => {
                        let size = floor(&message, MAX_MESSAGE);
                        let [_, at, size] = self.made(message.as_bytes(), size);
                        push(&mut self.answers, [first, 0, 2, code, at, size]);
                    }
                }
            }
        }
        for _ in 1..records {
            push(&mut self.answers, [(self.statements.len() / STATEMENT) as u32, 0, others, 0, 0, 0]);
        }
    }

    /// The address of the text, for finish.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Lays the output frame out; the text stands at the address.
    pub(crate) fn finish(&mut self, text: u32) -> &[u8] {
        if self.moved {
            self.fix(text);
        }
        let statements = HEADER + self.answers.len();
        let arguments = statements + self.statements.len();
        let total = arguments + self.arguments.len();
        self.frame.clear();
        self.frame.reserve(total);
        let header = [
            MAGIC_OUTPUT,
            (HEADER as u32) << 16 | u32::from(REVISION),
            total as u32,
            0,
            (self.answers.len() / ANSWER) as u32,
            ANSWER as u32,
            HEADER as u32,
            (self.statements.len() / STATEMENT) as u32,
            STATEMENT as u32,
            statements as u32,
            (self.arguments.len() / ARGUMENT) as u32,
            ARGUMENT as u32,
            arguments as u32,
            0,
        ];
        push(&mut self.frame, header);
        self.frame.extend_from_slice(&self.answers);
        self.frame.extend_from_slice(&self.statements);
        self.frame.extend_from_slice(&self.arguments);
        &self.frame
    }

    /// Turns offsets into the text into addresses.
    fn fix(&mut self, text: u32) {
        for row in self.answers.chunks_exact_mut(ANSWER) {
            let message: &mut [u8; 8] = (&mut row[16..]).try_into().expect("a row's last field");
            let at = if word(message, 4) > 0 { word(message, 0) + text } else { 0 };
            message[..4].copy_from_slice(&at.to_le_bytes());
        }
        for row in self.arguments.chunks_exact_mut(ARGUMENT) {
            let row: &mut [u8; ARGUMENT] = row.try_into().expect("a row of a table");
            if word(row, 0) == IN_TEXT {
                let at = word(row, 4) + text;
                row[..4].fill(0);
                row[4..8].copy_from_slice(&at.to_le_bytes());
            }
        }
    }
}

fn push<const N: usize>(rows: &mut Vec<u8>, words: [u32; N]) {
    rows.reserve(N * 4);
    for word in words {
        rows.extend_from_slice(&word.to_le_bytes());
    }
}

/// The greatest length up to limit that does not end within a character.
fn floor(text: &str, limit: usize) -> usize {
    let mut size = text.len().min(limit);
    while !text.is_char_boundary(size) {
        size -= 1;
    }
    size
}
