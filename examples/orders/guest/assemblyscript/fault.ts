// What can be wrong with a value, and the checks that find it: those of fault.go.

import { Text, Value } from "./ichor/assembly";

// Codes of rejects.
const MISSING: u32 = 1;
const TYPE: u32 = 2;
const VALUE: u32 = 3;
const REPEATED: u32 = 4;

/** What is wrong with a value. */
@final
export class Fault {
  constructor(public code: u32, public what: string) {}
}

const missing = new Fault(MISSING, "is missing");
export const noObject = new Fault(TYPE, "is not an object");
const noList = new Fault(TYPE, "is not a list");
const noText = new Fault(TYPE, "is not a string");
const noNumber = new Fault(TYPE, "is neither a number nor a string");
const empty = new Fault(VALUE, "is empty");
const noUUID = new Fault(VALUE, "is not a UUID in small letters");
const noMoment = new Fault(VALUE, "is not a time as in RFC 3339");
const noDecimal = new Fault(VALUE, "is not a decimal number");
const noUnits = new Fault(VALUE, "is not a whole number from 1 to 1000000");
export const repeated = new Fault(REPEATED, "stands in an item before this one");

export function list(value: Value): Fault | null {
  if (!value.exists) return missing;
  return value.isArray ? null : noList;
}

/** Accepts a string that is not empty. */
export function text(value: Value): Fault | null {
  const found = anyText(value);
  if (found != null) return found;
  return value.text.length == 0 ? empty : null;
}

/** Accepts a string. */
export function anyText(value: Value): Fault | null {
  if (!value.exists) return missing;
  return value.isString ? null : noText;
}

/** Accepts a string, and nothing. */
export function textOrNull(value: Value): Fault | null {
  return !value.exists || value.isNull ? null : anyText(value);
}

/** Accepts a JSON number, or a string that is one. */
export function decimal(value: Value): Fault | null {
  if (!value.exists) return missing;
  if (value.isNumber) return null;
  if (!value.isString) return noNumber;
  return isNumber(value.text) ? null : noDecimal;
}

// The largest quantity of a line: a sum of all that a version can have fits in 64 bits.
const UNITS_MAX: i32 = 1000000;

/** Accepts a whole number from 1 to UNITS_MAX. */
export function units(value: Value): Fault | null {
  if (!value.exists) return missing;
  const digits = value.text;
  let n = 0;
  for (let i = 0; i < digits.length; i++) {
    const c = digits[i];
    if (c < 0x30 || c > 0x39 || n > UNITS_MAX) return noUnits;
    n = 10 * n + i32(c - 0x30);
  }
  return !value.isNumber || n < 1 || n > UNITS_MAX ? noUnits : null;
}

/** Accepts the one spelling that is the key of an order everywhere. */
export function uuid(value: Value): Fault | null {
  const found = anyText(value);
  if (found != null) return found;
  const t = value.text;
  return fits(t, 0, t.length, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx") ? null : noUUID;
}

const SECOND = "0000-00-00T00:00:00";

/** Accepts a time with its zone. */
export function moment(value: Value): Fault | null {
  const found = anyText(value);
  if (found != null) return found;
  const t = value.text;
  let at = SECOND.length;
  if (t.length < at || !fits(t, 0, at, SECOND)) return noMoment;
  if (at < t.length && t[at] == 0x2e) {
    const fraction = at + 1;
    at = digits(t, fraction);
    if (at == fraction) return noMoment;
  }
  return fits(t, at, t.length, "Z") || fits(t, at, t.length, "+00:00") || fits(t, at, t.length, "-00:00") ? null : noMoment;
}

// fits reports whether a part of a text has the form: 0 stands for a digit, x for a hexadecimal one
// in small letters, anything else for itself.
function fits(t: Text, from: i32, to: i32, form: string): bool {
  if (to - from != form.length) return false;
  for (let i = 0; i < form.length; i++) {
    const c = t[from + i], want = form.charCodeAt(i), digit = c >= 0x30 && c <= 0x39;
    if (want == 0x30) {
      if (!digit) return false;
    } else if (want == 0x78) {
      if (!digit && (c < 0x61 || c > 0x66)) return false;
    } else if (c != want) return false;
  }
  return true;
}

// digits returns the place behind the digits that begin at a place.
function digits(t: Text, at: i32): i32 {
  while (at < t.length && t[at] >= 0x30 && t[at] <= 0x39) at++;
  return at;
}

function has(t: Text, at: i32, a: u8, b: u8): bool {
  return at < t.length && (t[at] == a || t[at] == b);
}

// isNumber reports whether a text is a number of JSON.
function isNumber(t: Text): bool {
  const begin = has(t, 0, 0x2d, 0x2d) ? 1 : 0;
  let at = digits(t, begin);
  if (at == begin || (t[begin] == 0x30 && at > begin + 1)) return false;
  if (has(t, at, 0x2e, 0x2e)) {
    const fraction = at + 1;
    at = digits(t, fraction);
    if (at == fraction) return false;
  }
  if (has(t, at, 0x65, 0x45)) {
    const power = has(t, at + 1, 0x2b, 0x2d) ? at + 2 : at + 1;
    at = digits(t, power);
    if (at == power) return false;
  }
  return at == t.length;
}
