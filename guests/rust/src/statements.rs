//! What a version becomes, and the output frame of it.

use crate::frame::{word, Frame, MAGIC_OUTPUT, MAX_MESSAGE, REVISION};

// Rows of the output frame's tables, each a word a field, as they will stand in the frame: a
// module's numbers are little-endian.
type Answer = [u32; 6];
type Statement = [u32; 4];
type Argument = [u32; 3];

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

/// The value of one parameter, in PostgreSQL's text format.
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

    /// What stands at an offset of the frame.
    pub(crate) fn at(frame: &Frame<'a>, offset: u32, size: u32) -> Arg<'a> {
        Arg(Inner::Input { address: frame.base + offset, size })
    }

    /// The reference at an offset of the frame. The host checks it when it reads the answer.
    pub(crate) fn input(frame: &Frame<'a>, at: usize) -> Arg<'a> {
        let field = frame.row::<8>(at);
        Arg(Inner::Input { address: frame.base + word(field, 0), size: word(field, 4) })
    }
}

const NULL: u32 = 1;
const IN_TEXT: u32 = 1 << 31; // until finish: an offset into the text

const HEADER: u32 = 56;
const ANSWER: u32 = 24;
const STATEMENT: u32 = 16;
const ARGUMENT: u32 = 12;

/// Takes what a version becomes. Its buffers are used again in each call.
#[derive(Default)]
pub struct Statements {
    answers: Vec<Answer>,
    statements: Vec<Statement>,
    arguments: Vec<Argument>,
    text: Vec<u8>,
    frame: Vec<u32>,
    moved: bool, // some row names the text
}

impl Statements {
    /// Adds a statement: a template of the manifest and a value for each parameter.
    pub fn exec(&mut self, template: u32, args: &[Arg]) {
        self.statements.push([template, self.arguments.len() as u32, args.len() as u32, 0]);
        self.arguments.reserve(args.len());
        for arg in args {
            let row = match arg.0 {
                Inner::Null => [NULL, 0, 0],
                Inner::Input { address, size } => [0, address, size],
                Inner::Made(text) => self.made(text, text.len()),
            };
            self.arguments.push(row);
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
        let first = mark.0 as u32;
        let mut others = 0;
        match outcome {
            Ok(()) => self.answers.push([first, self.statements.len() as u32 - first, 0, 0, 0, 0]),
            Err(stop) => {
                self.statements.truncate(mark.0);
                self.arguments.truncate(mark.1);
                match stop {
                    Stop::Skip => {
                        others = 1;
                        self.answers.push([first, 0, 1, 0, 0, 0]);
                    }
                    Stop::Reject { code, message } => {
                        let size = floor(&message, MAX_MESSAGE);
                        let [_, at, size] = self.made(message.as_bytes(), size);
                        self.answers.push([first, 0, 2, code, at, size]);
                    }
                }
            }
        }
        for _ in 1..records {
            self.answers.push([self.statements.len() as u32, 0, others, 0, 0, 0]);
        }
    }

    /// The address of the text, for finish.
    pub(crate) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Lays the output frame out; the text stands at the address.
    pub(crate) fn finish(&mut self, text: u32) -> &[u32] {
        if self.moved {
            self.fix(text);
        }
        let (answers, rows, arguments) = (self.answers.len() as u32, self.statements.len() as u32, self.arguments.len() as u32);
        let statements_at = HEADER + answers * ANSWER;
        let arguments_at = statements_at + rows * STATEMENT;
        let total = arguments_at + arguments * ARGUMENT;
        self.frame.clear();
        self.frame.reserve(total as usize / 4);
        #[rustfmt::skip]
        self.frame.extend_from_slice(&[
            MAGIC_OUTPUT, HEADER << 16 | u32::from(REVISION), total, 0,
            answers, ANSWER, HEADER,
            rows, STATEMENT, statements_at,
            arguments, ARGUMENT, arguments_at,
            0,
        ]);
        self.answers.iter().for_each(|row| self.frame.extend_from_slice(row));
        self.statements.iter().for_each(|row| self.frame.extend_from_slice(row));
        self.arguments.iter().for_each(|row| self.frame.extend_from_slice(row));
        &self.frame
    }

    /// Turns offsets into the text into addresses.
    fn fix(&mut self, text: u32) {
        for [.., address, size] in &mut self.answers {
            *address = if *size > 0 { *address + text } else { 0 };
        }
        for [flags, address, _] in &mut self.arguments {
            if *flags == IN_TEXT {
                *flags = 0;
                *address += text;
            }
        }
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
