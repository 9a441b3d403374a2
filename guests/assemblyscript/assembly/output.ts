// What a version becomes, and the output frame of it.

import { addressOf, jsonAddress, jsonLength, REVISION, Text, Value } from "./input";

const MAGIC: u32 = 0x4f484349;
const HEADER: u32 = 56;
const ANSWER: u32 = 24;
const STATEMENT: u32 = 16;
const ARGUMENT: u32 = 12;
const MAX_MESSAGE: u32 = 1024;
const NULL: u32 = 1;
const IN_TEXT: u32 = 1 << 31; // until finish: an offset into the text

/** What a guest's function returns: Status.OK, skip() or reject(...). */
export enum Status {
  OK = 0,
  Skip = 1,
  Reject = 2,
}

// Buffer is a stretch of memory that grows and is used again in each call.
@final
class Buffer {
  at: usize = 0;
  size: u32 = 0;
  used: u32 = 0;

  // extend makes room for so many bytes more, and returns the address of the first.
  // @ts-ignore: decorator
  @inline
  extend(n: u32): usize {
    if (n > this.size - this.used) this.grow(n);
    const at = this.at + this.used;
    this.used += n;
    return at;
  }

  private grow(n: u32): void {
    this.size = 2 * (this.used + n) + 4096;
    this.at = this.at == 0 ? heap.alloc(this.size) : heap.realloc(this.at, this.size);
  }
}

const answers = new Buffer();
const statements = new Buffer();
const args = new Buffer();
const text = new Buffer();
const frame = new Buffer();
let moved = false; // some row names the text
let mark: u32 = 0; // where the text begins that is being built
let code: u32 = 0; // of the reject
let message: u32 = 0; // its length; it is what was built last

export function reset(): void {
  answers.used = statements.used = args.used = text.used = frame.used = 0;
  moved = false;
  mark = 0;
}

/** Says that a version has, on purpose, nothing to install. */
export function skip(): Status {
  return Status.Skip;
}

/**
 * Says that a version cannot be converted. Its statements are dropped and it is held until
 * somebody acts. Codes are the guest's own; they end in the quarantine and in metrics, so keep
 * them stable and few, and put what varies into the message.
 */
export function reject(number: u32, why: string): Status {
  build();
  addString(why);
  code = number;
  message = text.used - mark;
  if (message > MAX_MESSAGE) {
    message = MAX_MESSAGE;
    while (message > 0 && (load<u8>(text.at + mark + message) & 0xc0) == 0x80) message--; // not within a character
  }
  return Status.Reject;
}

// A text is built between build and Statement.built, by the functions that follow.

/** Begins a text. */
export function build(): void {
  mark = text.used;
}

/** Adds bytes of the input. */
export function add(bytes: Text): void {
  const n = bytes.length;
  if (n > 0) memory.copy(text.extend(n), addressOf(changetype<usize>(bytes)), n);
}

/** Adds one byte, such as a character of ASCII. */
export function addByte(byte: u8): void {
  store<u8>(text.extend(1), byte);
}

/** Adds a string. */
export function addString(s: string): void {
  if (s.length == 0) return;
  const n = String.UTF8.byteLength(s);
  String.UTF8.encodeUnsafe(changetype<usize>(s), s.length, text.extend(n));
}

/** A statement that takes its values, one for each parameter, in their order. */
@final
export class Statement {
  // @ts-ignore: decorator
  @inline
  private row(flags: u32, address: u32, length: u32): Statement {
    const row = args.extend(ARGUMENT), statement = statements.at + statements.used - STATEMENT;
    store<u32>(row, flags);
    store<u32>(row, address, 4);
    store<u32>(row, length, 8);
    store<u32>(statement, load<u32>(statement, 8) + 1, 8);
    return this;
  }

  /** SQL's null. */
  null(): Statement {
    return this.row(NULL, 0, 0);
  }

  /** A JSON value: its text by reference, or null when it is null or not there. */
  value(v: Value): Statement {
    return !v.exists || v.isNull ? this.null() : this.text(v.text);
  }

  /**
   * A JSON value for a parameter of type json or jsonb: its JSON by reference. JSON's null stays
   * one; SQL's null is a value that is not there.
   */
  json(v: Value): Statement {
    return v.exists ? this.row(0, u32(jsonAddress(v)), jsonLength(v)) : this.null();
  }

  /** Bytes of the input, by reference. */
  text(t: Text): Statement {
    return this.row(0, u32(addressOf(changetype<usize>(t))), t.length);
  }

  /** A string, which is copied. */
  string(s: string): Statement {
    build();
    addString(s);
    return this.built();
  }

  /** What was built since build. */
  built(): Statement {
    moved = true;
    return this.row(IN_TEXT, mark, text.used - mark);
  }
}

const open = new Statement();

/** Adds a statement of a template of the manifest; the values follow. */
export function exec(template: u32): Statement {
  const row = statements.extend(STATEMENT);
  store<u32>(row, template);
  store<u32>(row, args.used / ARGUMENT, 4);
  store<u32>(row, 0, 8);
  store<u32>(row, 0, 12);
  return open;
}

function answer(first: u32, count: u32, status: Status): void {
  const row = answers.extend(ANSWER), rejected = status == Status.Reject;
  store<u32>(row, first);
  store<u32>(row, count, 4);
  store<u32>(row, status, 8);
  store<u32>(row, rejected ? code : 0, 12);
  store<u32>(row, rejected ? mark : 0, 16);
  store<u32>(row, rejected ? message : 0, 20);
  if (rejected) moved = true;
}

/** Where a version begins. */
export function begin(): u64 {
  return (u64(statements.used) << 32) | u64(args.used);
}

/**
 * Answers the records of one version. Its statements stand at its first record; the others
 * say OK with none, or SKIP.
 */
export function settle(status: Status, records: u32, begun: u64): void {
  const first = u32(begun >> 32);
  if (status != Status.OK) {
    statements.used = first;
    args.used = u32(begun);
  }
  answer(first / STATEMENT, (statements.used - first) / STATEMENT, status);
  const others = status == Status.Skip ? Status.Skip : Status.OK;
  for (let i: u32 = 1; i < records; i++) answer(statements.used / STATEMENT, 0, others);
}

// fix turns offsets into the text into addresses.
function fix(): void {
  for (let row = answers.at, end = answers.at + answers.used; row < end; row += ANSWER) {
    store<u32>(row, load<u32>(row, 20) > 0 ? load<u32>(row, 16) + u32(text.at) : 0, 16);
  }
  for (let row = args.at, end = args.at + args.used; row < end; row += ARGUMENT) {
    if (load<u32>(row) == IN_TEXT) {
      store<u32>(row, 0);
      store<u32>(row, load<u32>(row, 4) + u32(text.at), 4);
    }
  }
}

function lay(header: usize, field: u32, rows: Buffer, stride: u32, offset: u32): u32 {
  store<u32>(header + field, rows.used / stride);
  store<u32>(header + field, stride, 4);
  store<u32>(header + field, offset, 8);
  if (rows.used > 0) memory.copy(header + offset, rows.at, rows.used);
  return offset + rows.used;
}

/** Lays the output frame out and returns it, packed. */
export function finish(): u64 {
  if (moved) fix();
  const total = HEADER + answers.used + statements.used + args.used, header = frame.extend(total);
  store<u32>(header, MAGIC);
  store<u32>(header, (HEADER << 16) | REVISION, 4);
  store<u32>(header, total, 8);
  store<u32>(header, 0, 12);
  store<u32>(header, 0, 52);
  lay(header, 40, args, ARGUMENT, lay(header, 28, statements, STATEMENT, lay(header, 16, answers, ANSWER, HEADER)));
  return (u64(header) << 32) | u64(total);
}

/** Moves the text to an address, for the golden frames. */
export function placeText(at: usize, size: u32): void {
  text.at = at;
  text.size = size;
}
