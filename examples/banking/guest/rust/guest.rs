//! The banking example's guest in Rust. What it does and why it makes one statement of a
//! version stands in the README of the directory above; it answers as the guest in Go does,
//! byte for byte.

use ichor_guest::{reject, Item, Outcome, Statements, Value, Version};

ichor_guest::guest!(include_str!("manifest.json"), convert);

// The templates of manifest.json.
const TRANSFER: u32 = 1;
const DEPOSIT: u32 = 2;
const WITHDRAW: u32 = 3;
const SEVERAL: u32 = 4;

// Codes of rejects.
const MISSING: u32 = 1;
const TYPE: u32 = 2;
const VALUE: u32 = 3;
const ACTION: u32 = 4;

fn convert(version: Version, out: &mut Statements) -> Outcome {
    if version.len() > 1 {
        return convert_several(version, out);
    }
    let m = Movement::read(version.item(0))?;
    match m.action {
        TRANSFER => out.exec(TRANSFER, &[m.from.arg(), m.to.arg(), m.amount.arg(), version.arg()]),
        DEPOSIT => out.exec(DEPOSIT, &[m.to.arg(), m.amount.arg(), version.arg()]),
        _ => out.exec(WITHDRAW, &[m.from.arg(), m.amount.arg(), version.arg()]),
    }
    Ok(())
}

fn convert_several(version: Version, out: &mut Statements) -> Outcome {
    let (mut numbers, mut amounts) = (String::from("{"), String::from("{"));
    for item in version.items() {
        let m = Movement::read(item)?;
        if m.from.exists() {
            element(&mut numbers, m.from.text());
            negated(&mut amounts, m.amount.text());
        }
        if m.to.exists() {
            element(&mut numbers, m.to.text());
            comma(&mut amounts);
            amounts.push_str(m.amount.text());
        }
    }
    numbers.push('}');
    amounts.push('}');
    out.exec(SEVERAL, &[ichor_guest::Arg::text(&numbers), ichor_guest::Arg::text(&amounts), version.arg()]);
    Ok(())
}

/// What an item asks for. A deposit has no from, a withdrawal no to.
struct Movement<'a> {
    action: u32, // the template of a single one
    from: Value<'a>,
    to: Value<'a>,
    amount: Value<'a>,
}

impl<'a> Movement<'a> {
    fn read(item: Item<'a>) -> Result<Movement<'a>, ichor_guest::Stop> {
        let p = item.payload();
        let mut m = Movement { action: TRANSFER, from: Value::default(), to: Value::default(), amount: p.field("amount") };
        let (mut from, mut to) = ("from", "to");
        match item.action() {
            "TRANSFER" => {
                m.from = p.field(from);
                m.to = p.field(to);
            }
            "DEPOSIT" => {
                m.action = DEPOSIT;
                (m.to, to) = either(p, "account", "to");
            }
            "WITHDRAW" => {
                m.action = WITHDRAW;
                (m.from, from) = either(p, "account", "from");
            }
            other => return reject!(ACTION, "item {}: unknown action {:?}", item.index(), other),
        }
        if !p.is_object() {
            wrong(item, TYPE, "the payload", "is not an object")?;
        }
        if m.action != DEPOSIT {
            account(item, from, m.from)?;
        }
        if m.action != WITHDRAW {
            account(item, to, m.to)?;
        }
        decimal(item, m.amount)?;
        Ok(m)
    }
}

/// The field of the first name, or of the second if there is no first.
fn either<'a>(p: Value<'a>, first: &'static str, second: &'static str) -> (Value<'a>, &'static str) {
    let value = p.field(first);
    if value.exists() {
        return (value, first);
    }
    let value = p.field(second);
    (value, if value.exists() { second } else { first })
}

fn account(item: Item, field: &str, v: Value) -> Outcome {
    if !v.exists() {
        return wrong(item, MISSING, field, "is missing");
    }
    if !v.is_string() {
        return wrong(item, TYPE, field, "is not a string");
    }
    if v.bytes().is_empty() {
        return wrong(item, VALUE, field, "is empty");
    }
    Ok(())
}

/// Accepts a JSON number, or a string that is one. Its text goes to the database as it is:
/// neither digits nor size are lost to a float on the way.
fn decimal(item: Item, v: Value) -> Outcome {
    if !v.exists() {
        return wrong(item, MISSING, "amount", "is missing");
    }
    if v.is_number() {
        return Ok(());
    }
    if !v.is_string() {
        return wrong(item, TYPE, "amount", "is neither a number nor a string");
    }
    if !is_number(v.bytes()) {
        return wrong(item, VALUE, "amount", "is not a decimal number");
    }
    Ok(())
}

fn wrong(item: Item, code: u32, field: &str, what: &str) -> Outcome {
    reject!(code, "item {}, {}: {} {}", item.index(), item.action(), field, what)
}

/// Whether a text is a number of JSON.
fn is_number(text: &[u8]) -> bool {
    let rest = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, rest) = digits(rest);
    if whole.is_empty() || (whole[0] == b'0' && whole.len() > 1) {
        return false;
    }
    let rest = match rest.strip_prefix(b".").map(digits) {
        Some((fraction, _)) if fraction.is_empty() => return false,
        Some((_, rest)) => rest,
        None => rest,
    };
    let exponent = match rest.first() {
        None => return true,
        Some(b'e' | b'E') => &rest[1..],
        Some(_) => return false,
    };
    let exponent = match exponent.first() {
        Some(b'+' | b'-') => &exponent[1..],
        _ => exponent,
    };
    let (power, rest) = digits(exponent);
    !power.is_empty() && rest.is_empty()
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|c| c.is_ascii_digit()).count())
}

fn comma(list: &mut String) {
    if list.len() > 1 {
        list.push(',');
    }
}

/// Adds a text to a PostgreSQL array, quoted: inside quotes only the quote and the backslash
/// mean something.
fn element(list: &mut String, text: &str) {
    comma(list);
    list.push('"');
    for c in text.chars() {
        if c == '"' || c == '\\' {
            list.push('\\');
        }
        list.push(c);
    }
    list.push('"');
}

/// Adds a decimal with its sign turned.
fn negated(list: &mut String, decimal: &str) {
    comma(list);
    match decimal.strip_prefix('-') {
        Some(positive) => list.push_str(positive),
        None => {
            list.push('-');
            list.push_str(decimal);
        }
    }
}
