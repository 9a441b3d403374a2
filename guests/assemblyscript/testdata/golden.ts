// What golden.mjs needs to see that the kit reads and makes the golden frames.

import { behind, length, open } from "../assembly/input";
import { begin, finish, placeText, reset, settle } from "../assembly/output";
import { build, addString, addByte, exec, Item, Kind, reject, skip, Status, Value, Version } from "../assembly";
export { ichor_alloc } from "../assembly";

const version = new Version();

function quoted(text: string): string {
  return `"${text}"`;
}

/** What the input frame at an address says. */
export function say(address: usize, size: u32): string {
  open(address, size);
  let text = `${load<u32>(address, 8)} bytes, ${length()} records\n`;
  for (let first: u32 = 0; first < length(); first = behind(first)) {
    version.set(first, behind(first));
    for (let i = 0; i < version.length; i++) text += sayItem(address, version.item(i), i == 0, i == version.length - 1);
  }
  return text;
}

function sayItem(frame: usize, item: Item, first: bool, last: bool): string {
  const row = changetype<usize>(item);
  let text = `\nversion ${version.number} (${version.text.toString()}) safepoint ${version.safepoint} (${version.safepointText.toString()}) time ${version.time}\n`;
  text += `xid ${quoted(version.xid.toString())} cohort ${quoted(version.cohort.toString())} agent ${quoted(version.agent.toString())}\n`;
  text += `item ${item.index} of ${load<u32>(row, 92)}, first ${first}, last ${last}: ${quoted(item.action.toString())} ${item.json.toString()}\n`;
  const stride = load<u32>(frame, 32), begin = changetype<usize>(item.payload), count = load<u32>(row, 84);
  for (let i: u32 = 0; i < count; i++) {
    const at = begin + i * stride, value = changetype<Value>(at), flags = load<u8>(at, 1);
    text += `  ${i} `;
    if (load<u64>(at, 4) != 0) text += `${value.key.toString()}${(flags & 1) != 0 ? "*" : ""}=`;
    text += `${<i32>value.kind}:${value.text.toString()}${(flags & 2) != 0 ? "*" : ""}>${(load<u32>(at, 20) - u32(begin)) / stride}`;
    if (value.isString) text += ` ${value.json}`;
    else check(value.json == value.text.toString(), "the JSON of a value");
    text += "\n";
  }
  return text;
}

/** The four answers of output-some: two statements, none, SKIP, REJECT. Its text stands at 1024. */
export function some(frame: usize, size: u32): u64 {
  open(frame, size);
  reset();
  placeText(1024, 1024);
  version.set(0, 1);
  const payload = version.item(0).payload;
  let begun = begin();
  exec(1).value(payload.field("from")).value(payload.field("to")).null();
  exec(2).string("made by the guest");
  settle(Status.OK, 1, begun);
  begun = begin();
  settle(Status.OK, 1, begun);
  begun = begin();
  exec(1);
  settle(skip(), 1, begun);
  begun = begin();
  exec(7).null().null();
  settle(reject(3, "amount is missing"), 1, begun);
  return finish();
}

export function empty(): u64 {
  reset();
  return finish();
}

function check(condition: bool, what: string): void {
  if (!condition) throw new Error(what);
}

/** What no golden frame shows; it throws where the kit is wrong. The frame is input-several. */
export function walk(address: usize, size: u32): void {
  open(address, size);
  reset();
  version.set(1, 3);
  const payload = version.item(0).payload;
  check(payload.isObject && payload.field("c").text.is("x\ny") && !payload.field("c").text.is("x\nz"), "a field");
  check(payload.field("c").text[2] == 0x79, "a byte");
  let kinds = "";
  const list = payload.field("a");
  for (let m = list.first; m.exists; m = m.next(list)) kinds += (<i32>m.kind).toString();
  check(kinds == "47", "the kinds of a list");
  let keys = "";
  for (let m = payload.first; m.exists; m = m.next(payload)) keys += m.key.toString();
  check(keys == "ac", "the keys of an object");
  const nothing = payload.field("x").field("y");
  check(!nothing.exists && nothing.kind == Kind.None && nothing.text.length == 0 && nothing.text.toString() == "" && !nothing.first.exists, "nothing");
  check(!nothing.text.is("x") && nothing.text.is(""), "the text of nothing");
  check(version.item(1).payload.isNull && version.length == 2 && version.item(1).index == 1, "the second item");
  const begun = begin();
  exec(1).json(payload.field("c")).json(nothing);
  check(nothing.json == "" && payload.field("c").json == '"x\\ny"', "the JSON of a text");
  exec(1).value(nothing).text(version.xid).string("é");
  settle(reject(5, "€".repeat(400)), 2, begun);
  const answer = usize(finish() >> 32) + 56;
  check(load<u32>(answer, 4) == 0 && load<u32>(answer, 8) == 2 && load<u32>(answer, 12) == 5 && load<u32>(answer, 20) == 1023, "a reject");
  check(load<u32>(answer, 24 + 8) == 0, "the other record of a rejected version");
  build();
  for (let i = 0; i < 100000; i++) addByte(0x61 + u8(i % 26));
  addString("é");
  exec(2).built();
  const frame = usize(finish() >> 32), argument = frame + load<u32>(frame, 48);
  check(load<u32>(argument, 8) == 100002 && load<u8>(load<u32>(argument, 4) + 99999) == 0x61 + 99999 % 26, "a long text");
}
