// The banking example's guest in AssemblyScript. What it does and why it makes one statement
// of a version stands in the README of the directory above; it answers as the guest in Go does,
// byte for byte.

import { add, addByte, build, exec, Item, reject, serve, Status, Text, Value, Version } from "./ichor/assembly";
import { MANIFEST } from "./manifest";
export { ichor_abi_v1, ichor_alloc, ichor_convert, ichor_describe } from "./ichor/assembly";

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

// What an item asks for. A deposit has no from, a withdrawal no to. They are not fields of
// an object, since nothing needs to be made for an item then.
let action: u32 = 0; // the template of a single one
let from = Value.none();
let to = Value.none();
let amount = Value.none();

serve(MANIFEST, convert);

function convert(version: Version): Status {
  if (version.length > 1) return convertSeveral(version);
  const status = read(version.item(0));
  if (status != Status.OK) return status;
  switch (action) {
    case TRANSFER:
      exec(TRANSFER).value(from).value(to).value(amount).text(version.text);
      break;
    case DEPOSIT:
      exec(DEPOSIT).value(to).value(amount).text(version.text);
      break;
    default:
      exec(WITHDRAW).value(from).value(amount).text(version.text);
  }
  return Status.OK;
}

// convertSeveral reads the items twice, since texts are built one at a time.
function convertSeveral(version: Version): Status {
  const statement = exec(SEVERAL);
  build();
  addByte(0x7b); // {
  for (let i = 0, n = 0; i < version.length; i++) {
    const status = read(version.item(i));
    if (status != Status.OK) return status;
    if (from.exists) element(n++, from.text);
    if (to.exists) element(n++, to.text);
  }
  addByte(0x7d); // }
  statement.built();
  build();
  addByte(0x7b);
  for (let i = 0, n = 0; i < version.length; i++) {
    read(version.item(i));
    if (from.exists) decimal(n++, amount.text, true);
    if (to.exists) decimal(n++, amount.text, false);
  }
  addByte(0x7d);
  statement.built().text(version.text);
  return Status.OK;
}

function read(item: Item): Status {
  const payload = item.payload, name = item.action;
  let fromName = "from", toName = "to";
  from = to = Value.none();
  amount = payload.field("amount");
  if (name.is("TRANSFER")) {
    action = TRANSFER;
    from = payload.field(fromName);
    to = payload.field(toName);
  } else if (name.is("DEPOSIT")) {
    action = DEPOSIT;
    toName = either(payload, "account", toName);
    to = payload.field(toName);
  } else if (name.is("WITHDRAW")) {
    action = WITHDRAW;
    fromName = either(payload, "account", fromName);
    from = payload.field(fromName);
  } else {
    return reject(ACTION, `item ${item.index}: unknown action "${name.toString()}"`);
  }
  if (!payload.isObject) return wrong(item, TYPE, "the payload", "is not an object");
  let status = Status.OK;
  if (action != DEPOSIT) status = account(item, fromName, from);
  if (status == Status.OK && action != WITHDRAW) status = account(item, toName, to);
  return status == Status.OK ? checkAmount(item) : status;
}

// either is the first name if there is such a field, or nothing of the second, else the second.
function either(payload: Value, first: string, second: string): string {
  return !payload.field(first).exists && payload.field(second).exists ? second : first;
}

function account(item: Item, field: string, value: Value): Status {
  if (!value.exists) return wrong(item, MISSING, field, "is missing");
  if (!value.isString) return wrong(item, TYPE, field, "is not a string");
  if (value.text.length == 0) return wrong(item, VALUE, field, "is empty");
  return Status.OK;
}

// checkAmount accepts a JSON number, or a string that is one. Its text goes to the database as
// it is: neither digits nor size are lost to a float on the way.
function checkAmount(item: Item): Status {
  if (!amount.exists) return wrong(item, MISSING, "amount", "is missing");
  if (amount.isNumber) return Status.OK;
  if (!amount.isString) return wrong(item, TYPE, "amount", "is neither a number nor a string");
  if (!isNumber(amount.text)) return wrong(item, VALUE, "amount", "is not a decimal number");
  return Status.OK;
}

function wrong(item: Item, code: u32, field: string, what: string): Status {
  return reject(code, `item ${item.index}, ${item.action.toString()}: ${field} ${what}`);
}

// digits returns the place behind the digits that begin at a place.
function digits(text: Text, at: i32): i32 {
  while (at < text.length && text[at] >= 0x30 && text[at] <= 0x39) at++;
  return at;
}

function has(text: Text, at: i32, a: u8, b: u8): bool {
  return at < text.length && (text[at] == a || text[at] == b);
}

// isNumber reports whether a text is a number of JSON.
function isNumber(text: Text): bool {
  const begin = has(text, 0, 0x2d, 0x2d) ? 1 : 0;
  let at = digits(text, begin);
  if (at == begin || (text[begin] == 0x30 && at > begin + 1)) return false;
  if (has(text, at, 0x2e, 0x2e)) {
    const fraction = at + 1;
    at = digits(text, fraction);
    if (at == fraction) return false;
  }
  if (has(text, at, 0x65, 0x45)) {
    const power = has(text, at + 1, 0x2b, 0x2d) ? at + 2 : at + 1;
    at = digits(text, power);
    if (at == power) return false;
  }
  return at == text.length;
}

// element adds a text to a PostgreSQL array, quoted: inside quotes only the quote and the
// backslash mean something.
function element(n: i32, text: Text): void {
  if (n > 0) addByte(0x2c);
  addByte(0x22);
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c == 0x22 || c == 0x5c) addByte(0x5c);
    addByte(c);
  }
  addByte(0x22);
}

// decimal adds a number to a PostgreSQL array, with its sign turned or not.
function decimal(n: i32, text: Text, turned: bool): void {
  if (n > 0) addByte(0x2c);
  if (!turned) return add(text);
  const negative = text[0] == 0x2d;
  if (!negative) addByte(0x2d);
  for (let i = negative ? 1 : 0; i < text.length; i++) addByte(text[i]);
}
