// The orders example's guest in AssemblyScript. What it does and why stands in convert.go of the
// directory above; it answers as the guest in Go does, byte for byte.

import { addByte, build, exec, Item, reject, serve, Statement, Status, Text, Value, Version } from "./ichor/assembly";
import { MANIFEST } from "./manifest";
import { anyText, decimal, Fault, list, moment, noObject, repeated, text, textOrNull, units, uuid } from "./fault";
export { ichor_abi_v1, ichor_alloc, ichor_convert, ichor_describe } from "./ichor/assembly";

// The templates of manifest.json.
const PLACE_ORDER: u32 = 1;
const CHANGE_ORDER: u32 = 2;
const SET_STATUS: u32 = 3;
const SET_LINES: u32 = 4;
const COUNT_SOLD: u32 = 5;
const COUNT_RETURNED: u32 = 6;

// The item that is read, its order, and the first fault that it has, with the field that has it.
// They are no fields of an object, since nothing needs to be made for an item then.
let payload = Value.none();
let id = Value.none();
let fault: Fault | null = null;
let where = "";

serve(MANIFEST, convert);

function convert(version: Version): Status {
  const seen = version.length > 1 ? new Set<string>() : null;
  for (let i = 0; i < version.length; i++) {
    const item = version.item(i);
    if (begin(item, seen)) convertItem(version, item.action);
    const found = fault;
    if (found != null) return reject(found.code, `item ${item.index}, ${item.action.toString()}: ${where} ${found.what}`);
  }
  return Status.OK;
}

// begin reads what every item has, and reports whether it is an order that no item before it has.
function begin(item: Item, seen: Set<string> | null): bool {
  payload = item.payload;
  fault = null;
  if (!payload.isObject) {
    fail("the payload", noObject);
    return false;
  }
  id = field("order", uuid);
  if (fault != null || seen == null) return fault == null;
  const key = id.text.toString();
  if (seen.has(key)) fail("order", repeated);
  seen.add(key);
  return fault == null;
}

function convertItem(version: Version, action: Text): void {
  if (action.is("PLACE_ORDER")) {
    place(version);
  } else if (action.is("CHANGE_ORDER")) {
    change(version);
  } else if (action.is("PAY_ORDER")) {
    setStatus(version, "paid");
  } else if (action.is("SHIP_ORDER")) {
    setStatus(version, "shipped");
  } else if (action.is("CANCEL_ORDER")) {
    setStatus(version, "cancelled");
    takeBack();
  }
}

// place writes a new order with its lines.
function place(version: Version): void {
  const customer = field("customer", text), at = field("at", moment), total = field("total", decimal);
  tags(exec(PLACE_ORDER).value(id).value(customer).value(at).value(total)).json(payload.field("details")).text(version.text);
  setLines(version);
}

// change replaces the lines of an order and what follows from them. Its statemap says what it takes
// back, for a guest does not know what was there before.
function change(version: Version): void {
  const total = field("total", decimal);
  tags(exec(CHANGE_ORDER).value(id).value(total)).json(payload.field("details")).text(version.text);
  setLines(version);
  takeBack();
}

// setStatus gives an order a status. Its remark is null where there is none.
function setStatus(version: Version, status: string): void {
  const at = field("at", moment), remark = field("remark", textOrNull);
  exec(SET_STATUS).value(id).string(status).value(at).value(remark).text(version.text);
}

// setLines replaces the lines of an order, and counts them as sold.
function setLines(version: Version): void {
  const lines = lineList("lines", true);
  exec(SET_LINES).value(id).json(lines).text(version.text);
  exec(COUNT_SOLD).json(lines);
}

// takeBack counts what is sold no more.
function takeBack(): void {
  exec(COUNT_RETURNED).json(lineList("returned", false));
}

// fail keeps a fault unless there is one.
function fail(name: string, found: Fault): void {
  if (fault != null) return;
  where = name;
  fault = found;
}

// field returns a field of the payload, which the check must pass.
function field(name: string, check: (value: Value) => Fault | null): Value {
  const value = payload.field(name), found = check(value);
  if (found != null) fail(name, found);
  return value;
}

// tags gives a statement the list of texts as an array of the database.
function tags(statement: Statement): Statement {
  const all = field("tags", list);
  let n = 0;
  build();
  addByte(0x7b); // {
  for (let tag = all.first; tag.exists; tag = tag.next(all)) {
    const found = anyText(tag);
    if (found != null) fail(`tags[${n}]`, found);
    if (n++ > 0) addByte(0x2c); // ,
    quoted(tag.text);
  }
  addByte(0x7d); // }
  return statement.built();
}

// quoted adds a text to an array of the database: inside quotes only the quote and the backslash mean
// something.
function quoted(text: Text): void {
  addByte(0x22); // "
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c == 0x22 || c == 0x5c) addByte(0x5c); // a backslash
    addByte(c);
  }
  addByte(0x22);
}

// lineList returns a list of lines, each of which has an article, a quantity and perhaps a price.
function lineList(name: string, priced: bool): Value {
  const lines = field(name, list);
  let n = 0;
  for (let line = lines.first; line.exists; line = line.next(lines)) {
    let part = "", found: Fault | null = noObject;
    if (line.isObject) {
      part = ".sku";
      found = text(line.field("sku"));
      if (found == null) {
        part = ".quantity";
        found = units(line.field("quantity"));
      }
      if (found == null && priced) {
        part = ".price";
        found = decimal(line.field("price"));
      }
    }
    if (found != null) fail(`${name}[${n}]${part}`, found);
    n++;
  }
  return lines;
}
