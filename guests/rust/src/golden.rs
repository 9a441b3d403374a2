//! The golden frames, which every kit reads and makes; the directory of them stands in the
//! environment variable ICHOR_VECTORS.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use crate::frame::{record, token, Frame};
use crate::program::run;
use crate::statements::{Arg, Outcome, Statements};
use crate::{reject, Kind, Program, Stop, Value, Version};

fn vectors() -> PathBuf {
    PathBuf::from(std::env::var("ICHOR_VECTORS").expect("ICHOR_VECTORS names the directory of the golden frames"))
}

fn unhex(path: &Path) -> Vec<u8> {
    let text: Vec<u8> = fs::read(path).unwrap().into_iter().filter(|c| *c != b'\n').collect();
    text.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    let line = |line: &[u8]| line.iter().map(|b| format!("{:02x}", b)).collect::<String>() + "\n";
    bytes.chunks(16).map(line).collect()
}

fn flat(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text)
}

fn say(frame: &Frame) -> String {
    let mut text = format!("{} bytes, {} records\n", frame.bytes.len(), frame.records.count);
    for i in 0..frame.records.count {
        let row = frame.records.offset + i * frame.records.stride;
        let version = Version::new(frame, row, 1);
        let item = version.item(0);
        let flags = frame.u32(row + record::FLAGS);
        let (number, safepoint) = (frame.text_at(row + record::VERSION_TEXT), frame.text_at(row + record::SAFEPOINT_TEXT));
        writeln!(text, "\nversion {} ({}) safepoint {} ({}) time {}", version.number(), number, version.safepoint(), safepoint, version.time()).unwrap();
        writeln!(text, "xid {} cohort {} agent {}", quoted(version.xid()), quoted(version.cohort()), quoted(version.agent())).unwrap();
        let (first, last, count) = (flags & 1 != 0, flags & 2 != 0, frame.u32(row + 92));
        writeln!(text, "item {} of {}, first {}, last {}: {} {}", item.index(), count, first, last, quoted(item.action()), item.json()).unwrap();
        tokens(frame, row, &mut text);
    }
    text
}

fn tokens(frame: &Frame, row: usize, text: &mut String) {
    let first = frame.u32(row + record::FIRST_TOKEN) as usize;
    for i in 0..frame.u32(row + record::TOKEN_COUNT) as usize {
        let at = frame.tokens.offset + (first + i) * frame.tokens.stride;
        let value = Value::new(frame, at, at);
        let flags = frame.bytes[at + 1];
        write!(text, "  {} ", i).unwrap();
        if frame.u64(at + token::KEY) != 0 {
            write!(text, "{}{}=", frame.text_at(at + token::KEY), if flags & 1 != 0 { "*" } else { "" }).unwrap();
        }
        let star = if flags & 2 != 0 { "*" } else { "" };
        write!(text, "{}:{}{}>{}", value.kind() as u8, value.text(), star, frame.u32(at + token::NEXT)).unwrap();
        if value.is_string() {
            write!(text, " {}", value.json()).unwrap();
        } else {
            assert_eq!(value.json(), value.text());
        }
        text.push('\n');
    }
}

#[test]
fn reads_the_golden_inputs() {
    for name in ["empty", "transfer", "several", "edge"] {
        let bytes = unhex(&vectors().join(format!("input-{}.hex", name)));
        let frame = Frame::open(&bytes, 4096).unwrap();
        assert_eq!(say(&frame), fs::read_to_string(vectors().join(format!("input-{}.txt", name))).unwrap(), "input-{}", name);
    }
}

#[test]
fn makes_the_golden_outputs() {
    let mut out = Statements::default();
    assert_eq!(hex(&flat(out.finish(1024))), fs::read_to_string(vectors().join("output-empty.hex")).unwrap());
    let bytes = unhex(&vectors().join("input-transfer.hex"));
    let frame = Frame { base: 100, ..Frame::open(&bytes, 0).unwrap() };
    let at = |text: &str| Arg::input(&frame, reference(&bytes, text));
    let all: [&dyn Fn(&mut Statements) -> Outcome; 4] = [
        &|out| {
            out.exec(1, &[at("0017"), at("0042"), Arg::null()]);
            out.exec(2, &[Arg::text("made by the guest")]);
            Ok(())
        },
        &|_| Ok(()),
        &|out| {
            out.exec(1, &[]);
            Err(Stop::Skip)
        },
        &|out| {
            out.exec(7, &[Arg::null(), Arg::null()]);
            reject!(3, "{} is missing", "amount")
        },
    ];
    for one in all {
        let mark = out.mark();
        let outcome = one(&mut out);
        out.settle(outcome, 1, mark);
    }
    // The golden frame has its two references at 100 and 105 of a memory of its own.
    let mut frame = flat(out.finish(1024));
    let rows = frame.len() - 4 * 12;
    frame[rows + 4..rows + 8].copy_from_slice(&100u32.to_le_bytes());
    frame[rows + 16..rows + 20].copy_from_slice(&105u32.to_le_bytes());
    assert_eq!(hex(&frame), fs::read_to_string(vectors().join("output-some.hex")).unwrap());
}

/// The offset of a token's reference whose value is that text.
fn reference(bytes: &[u8], text: &str) -> usize {
    let frame = Frame::open(bytes, 0).unwrap();
    let tokens = frame.tokens;
    (0..tokens.count)
        .map(|i| tokens.offset + i * tokens.stride + token::VALUE)
        .find(|at| frame.text_at(*at) == text)
        .unwrap()
}

#[test]
fn walks_values() {
    let bytes = unhex(&vectors().join("input-several.hex"));
    let frame = Frame::open(&bytes, 8).unwrap();
    fn look(version: Version, out: &mut Statements) -> Outcome {
        if version.len() == 1 {
            return Err(Stop::Skip);
        }
        let payload = version.item(0).payload();
        assert_eq!(payload.field("c").text(), "x\ny");
        let keys: Vec<&str> = payload.members().map(|(key, _)| key).collect();
        assert_eq!(keys, ["a", "c"]);
        let kinds: Vec<Kind> = payload.field("a").members().map(|(_, v)| v.kind()).collect();
        assert_eq!(kinds, [Kind::Number, Kind::Object]);
        let nothing = payload.field("x").field("y");
        assert!(nothing.json().is_empty() && payload.field("c").json() == r#""x\ny""#);
        assert!(!nothing.exists() && nothing.text().is_empty() && nothing.members().next().is_none());
        assert!(version.item(1).payload().is_null());
        assert_eq!(version.items().map(|item| item.index()).collect::<Vec<_>>(), [0, 1]);
        out.exec(1, &[payload.field("c").arg(), nothing.arg(), version.arg(), version.safepoint_arg(), version.xid_arg(), version.item(1).json_arg(), payload.field("c").json_arg(), nothing.json_arg()]);
        reject!(5, "{}", "€".repeat(400))
    }
    let mut out = Statements::default();
    run(&frame, look, &mut out);
    let answers = flat(out.finish(1 << 20));
    let word = |at: usize| u32::from_le_bytes([answers[at], answers[at + 1], answers[at + 2], answers[at + 3]]);
    assert_eq!((word(16), word(28), word(40)), (3, 0, 0), "the statements of a rejected version are dropped");
    assert_eq!((word(56 + 8), word(80 + 8), word(80 + 12), word(80 + 20), word(104 + 8)), (1, 2, 5, 1023, 0));
}

#[test]
fn refuses_what_is_no_frame() {
    let bytes = unhex(&vectors().join("input-transfer.hex"));
    for (at, byte) in [(0, 0), (4, 2), (6, 8), (11, 1), (16, 255), (20, 96), (24, 4), (35, 128)] {
        let mut bad = bytes.clone();
        bad[at] = byte;
        assert!(Frame::open(&bad, 0).is_err(), "byte {} of {}", at, byte);
    }
    for size in 0..bytes.len() {
        assert!(Frame::open(&bytes[..size], 0).is_err(), "the first {} bytes", size);
    }
}

#[test]
fn keeps_its_memory() {
    let mut program = Program::new(|_, _| Ok(()));
    assert_eq!(program.alloc(u32::MAX), 0);
    let first = program.alloc(1000);
    assert!(first % 8 == 0 && program.alloc(2000) == first, "the arena is used again");
    assert_eq!(program.convert(first.wrapping_add(8), 48), 0, "another address");
    assert_eq!(program.convert(first, 1 << 20), 0, "more than it gave");
}
