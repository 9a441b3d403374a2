// A guest's calls, and what it imports.

import { behind, length, open, Version } from "./input";
import { begin, finish, reset, settle, Status } from "./output";

const MAX_INPUT: u32 = 16 << 20;

// @ts-ignore: decorator
@external("ichor_v1", "log")
declare function writeLog(level: u32, address: usize, length: u32): void;

/** How much a line of the log matters. */
export enum Level {
  Debug = 0,
  Info = 1,
  Warn = 2,
  Error = 3,
}

/** Writes a line to the host's log. */
export function log(level: Level, line: string): void {
  const bytes = String.UTF8.encode(line);
  writeLog(level, changetype<usize>(bytes), bytes.byteLength);
}

let manifest: ArrayBuffer = new ArrayBuffer(0);
let convert: (version: Version) => Status = (version: Version): Status => {
  throw new Error("the guest has not called serve");
};
const version = new Version();

let arena: usize = 0;
let arenaSize: u32 = 0;

/** Makes a manifest, in JSON, and a function what the module's exports call. */
export function serve(text: string, call: (version: Version) => Status): void {
  manifest = String.UTF8.encode(text);
  convert = call;
}

/** Converts the frame at an address, and returns the output frame, packed. */
export function run(address: usize, size: u32, call: (version: Version) => Status): u64 {
  open(address, size);
  reset();
  for (let first: u32 = 0, records = length(); first < records; ) {
    const end = behind(first), begun = begin();
    version.set(first, end);
    settle(call(version), end - first, begun);
    first = end;
  }
  return finish();
}

/** The contract's marker; never called. */
export function ichor_abi_v1(): void {}

export function ichor_describe(): u64 {
  return (u64(changetype<usize>(manifest)) << 32) | u64(manifest.byteLength);
}

export function ichor_alloc(size: u32): u32 {
  if (size > MAX_INPUT) return 0;
  if (size > arenaSize || arena == 0) {
    if (arena != 0) heap.free(arena);
    arenaSize = size + size / 2 + 4096;
    arena = heap.alloc(arenaSize);
  }
  return u32(arena);
}

export function ichor_convert(address: u32, size: u32): u64 {
  if (address != u32(arena) || size > arenaSize) return 0;
  const answer = run(address, size, convert);
  __collect(); // no object of the guest's is on the stack here
  return answer;
}
