// Input frames. A host is trusted by its guest: the header is checked when a frame is opened;
// what stands outside of the frame ends the call.

export const REVISION: u32 = 1;
const MAGIC: u32 = 0x49484349;
const HEADER: u32 = 48;
const RECORD: u32 = 104;
const TOKEN: u32 = 24;

let frame: usize = 0; // address of the open frame
let size: u32 = 0;
let records: usize = 0;
let recordCount: u32 = 0;
let recordStride: u32 = 0;
let tokens: usize = 0;
let tokenCount: u32 = 0;
let tokenStride: u32 = 0;

function table(field: u32, least: u32): void {
  const count = load<u32>(frame + field), stride = load<u32>(frame + field, 4), offset = load<u32>(frame + field, 8);
  if (stride < least || ((stride | offset) & 7) != 0 || u64(offset) + u64(count) * u64(stride) > u64(size)) {
    throw new Error("a table of the input frame is not laid out as the contract says");
  }
}

/** Opens the frame at an address. It throws, which ends the call, if there is none. */
export function open(address: usize, length: u32): void {
  if (length < HEADER || load<u32>(address) != MAGIC || load<u16>(address, 4) != REVISION) {
    throw new Error("the input frame is of another contract");
  }
  frame = address;
  size = load<u32>(address, 8);
  if (size > length || load<u16>(address, 6) < HEADER) {
    throw new Error("the input frame is shorter than its header says");
  }
  table(16, RECORD);
  table(28, TOKEN);
  recordCount = load<u32>(frame, 16);
  recordStride = load<u32>(frame, 20);
  records = frame + load<u32>(frame, 24);
  tokenCount = load<u32>(frame, 28);
  tokenStride = load<u32>(frame, 32);
  tokens = frame + load<u32>(frame, 36);
  for (let i: u32 = 0; i < recordCount; i++) locate(records + i * recordStride);
}

// locate turns the indices of a record's tokens into addresses, so that a value is one place
// and not two: the frame is the guest's own.
function locate(record: usize): void {
  const first = load<u32>(record, 80), count = load<u32>(record, 84);
  if (u64(first) + u64(count) > u64(tokenCount)) throw new Error("the tokens of a record end behind the table");
  const begin = tokens + first * tokenStride;
  for (let row = begin, i: u32 = 0; i < count; row += tokenStride, i++) {
    const next = load<u32>(row, 20);
    if (next <= i || next > count) throw new Error("a token of the input frame does not move on");
    store<u32>(row, u32(begin + next * tokenStride), 20);
  }
}

/** The index of the record behind the version that begins at a record. */
export function behind(first: u32): u32 {
  let next = first + 1;
  while (next < recordCount && (load<u32>(records + next * recordStride, 96) & 1) == 0) next++;
  return next;
}

/** How many records the frame has. */
export function length(): u32 {
  return recordCount;
}

/** The address that a reference of the frame names. */
// @ts-ignore: decorator
@inline
export function addressOf(reference: usize): usize {
  const offset = load<u32>(reference);
  if (u64(offset) + u64(load<u32>(reference, 4)) > u64(size)) throw new Error("a reference ends behind the input frame");
  return frame + offset;
}

/** Bytes of the input, in UTF-8. */
@unmanaged
export class Text {
  /** How many bytes there are. */
  get length(): i32 {
    return changetype<usize>(this) == 0 ? 0 : load<i32>(changetype<usize>(this), 4);
  }

  /** The byte at a place; it must be below length. */
  // @ts-ignore: decorator
  @operator("[]")
  at(i: i32): u8 {
    if (u32(i) >= u32(this.length)) throw new RangeError("there is no such byte");
    return load<u8>(addressOf(changetype<usize>(this)) + i);
  }

  /** Whether it is that string. */
  is(other: string): bool {
    const n = other.length, length = this.length;
    if (length < n) return false; // UTF-8 has at least a byte for each of the string's units
    if (length == 0) return true;
    const at = addressOf(changetype<usize>(this)), to = changetype<usize>(other);
    for (let i: usize = 0; i < usize(n); i++) {
      const unit = load<u16>(to + (i << 1));
      if (unit > 0x7f) return this.toString() == other;
      if (unit != load<u8>(at + i)) return false;
    }
    return length == n;
  }

  /** The text as a string, which is a new object. */
  toString(): string {
    return this.length == 0 ? "" : String.UTF8.decodeUnsafe(addressOf(changetype<usize>(this)), this.length);
  }
}

/** The kind of a JSON value; none of one that is not there. */
export enum Kind {
  None = 0,
  Null = 1,
  False = 2,
  True = 3,
  Number = 4,
  String = 5,
  Array = 6,
  Object = 7,
}

/**
 * One JSON value of a payload. One that is not there answers every question with nothing, so
 * a path may be followed to its end and checked once.
 */
@unmanaged
export class Value {
  /** A value that is not there. */
  static none(): Value {
    return changetype<Value>(0);
  }

  /** Whether the value is there. Null is. */
  get exists(): bool {
    return changetype<usize>(this) != 0;
  }

  get kind(): Kind {
    return changetype<usize>(this) == 0 ? Kind.None : <Kind>(<i32>load<u8>(changetype<usize>(this)));
  }

  get isNull(): bool {
    return this.kind == Kind.Null;
  }

  get isString(): bool {
    return this.kind == Kind.String;
  }

  get isNumber(): bool {
    return this.kind == Kind.Number;
  }

  get isObject(): bool {
    return this.kind == Kind.Object;
  }

  get isArray(): bool {
    return this.kind == Kind.Array;
  }

  /** A string without quotes and escapes, or the JSON text of any other value. */
  get text(): Text {
    return changetype<Text>(this.exists ? changetype<usize>(this) + 12 : <usize>0);
  }

  /**
   * The value as it stands in the payload: a string with its quotes and escapes, anything else
   * as text gives it. It is a new object; a statement takes it without one, by its json.
   */
  get json(): string {
    return this.exists ? String.UTF8.decodeUnsafe(jsonAddress(this), jsonLength(this)) : "";
  }

  /** The name of a member of an object. */
  get key(): Text {
    return changetype<Text>(this.exists ? changetype<usize>(this) + 4 : <usize>0);
  }

  /** A member of an object. Of members with the same name the last counts, as in most readers. */
  field(name: string): Value {
    let found = Value.none();
    if (this.kind != Kind.Object) return found;
    const end = load<u32>(changetype<usize>(this), 20);
    for (let row = changetype<usize>(this) + tokenStride; row < end; row = load<u32>(row, 20)) {
      if (load<i32>(row, 8) >= name.length && changetype<Text>(row + 4).is(name)) found = changetype<Value>(row);
    }
    return found;
  }

  /**
   * The first element of an array or member of an object; next gives the one behind it, and
   * one that is not there ends the loop:
   *
   *   for (let m = list.first; m.exists; m = m.next(list))
   */
  get first(): Value {
    const kind = this.kind, row = changetype<usize>(this) + tokenStride;
    if (kind != Kind.Object && kind != Kind.Array) return Value.none();
    return row < load<u32>(changetype<usize>(this), 20) ? changetype<Value>(row) : Value.none();
  }

  /** The element or member behind this one of that container. */
  next(container: Value): Value {
    const row: usize = load<u32>(changetype<usize>(this), 20);
    return row < load<u32>(changetype<usize>(container), 20) ? changetype<Value>(row) : Value.none();
  }
}

// copied tells whether a value is a string that stands unescaped elsewhere than in the payload.
function copied(v: Value): bool {
  return v.isString && (load<u8>(changetype<usize>(v), 1) & 2) != 0;
}

/** The address of a value's JSON. A string's begins a byte before it, or where the head of its copy says. */
export function jsonAddress(v: Value): usize {
  const at = addressOf(changetype<usize>(v) + 12);
  if (copied(v)) return at - load<u32>(at - 8);
  return v.isString ? at - 1 : at;
}

/** How many bytes a value's JSON has. */
export function jsonLength(v: Value): u32 {
  if (copied(v)) return load<u32>(addressOf(changetype<usize>(v) + 12) - 4);
  const length = load<u32>(changetype<usize>(v), 16);
  return v.isString ? length + 2 : length;
}

/** One action with its payload. */
@unmanaged
export class Item {
  /** The item's action. */
  get action(): Text {
    return changetype<Text>(changetype<usize>(this) + 48);
  }

  /** The item's place in its statemap. */
  get index(): i32 {
    return load<i32>(changetype<usize>(this), 88);
  }

  /** The payload as it stands on the topic, for guests that bring a reader of their own. */
  get json(): Text {
    return changetype<Text>(changetype<usize>(this) + 56);
  }

  /** The payload as a value to walk; it needs "input": "tokens". */
  get payload(): Value {
    if (load<u32>(changetype<usize>(this), 84) == 0) return Value.none();
    return changetype<Value>(tokens + load<u32>(changetype<usize>(this), 80) * tokenStride);
  }
}

/**
 * A committed version: the items of its statemap that this guest converts, in their order.
 * There is at least one.
 */
@final
export class Version {
  private row: usize = 0;
  private count: i32 = 0;

  /** Makes it the version of these records; for the kit. */
  set(first: u32, end: u32): void {
    this.row = records + first * recordStride;
    this.count = end - first;
  }

  /** How many items there are. */
  get length(): i32 {
    return this.count;
  }

  /** The item at a place, from 0. */
  item(i: i32): Item {
    if (u32(i) >= u32(this.count)) throw new RangeError("the version has no such item");
    return changetype<Item>(this.row + i * recordStride);
  }

  /** The version's number. */
  get number(): u64 {
    return load<u64>(this.row);
  }

  /** The version that had to be installed before this one. */
  get safepoint(): u64 {
    return load<u64>(this.row, 8);
  }

  /** The candidate's time in nanoseconds since the Unix epoch. There is no other clock. */
  get time(): i64 {
    return load<i64>(this.row, 16);
  }

  /** The candidate's xid. */
  get xid(): Text {
    return changetype<Text>(this.row + 24);
  }

  /** The candidate's cohort. */
  get cohort(): Text {
    return changetype<Text>(this.row + 32);
  }

  /** The candidate's agent. */
  get agent(): Text {
    return changetype<Text>(this.row + 40);
  }

  /** The version's number in decimal. */
  get text(): Text {
    return changetype<Text>(this.row + 64);
  }

  /** The safepoint in decimal. */
  get safepointText(): Text {
    return changetype<Text>(this.row + 72);
  }
}
