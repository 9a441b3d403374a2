// golden MODULE VECTORS checks the kit, compiled with golden.ts, against the golden frames.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const [, , module, vectors] = process.argv;
const text = (name) => readFileSync(join(vectors, name), "utf8");
const bytes = (name) => Buffer.from(text(name).replaceAll("\n", ""), "hex");
const hex = (frame) => (Buffer.from(frame).toString("hex").match(/.{1,32}/g) ?? []).join("\n") + "\n";

let guest;
// string reads a string of the module: UTF-16, its length in bytes in front of it.
const string = (at) => Buffer.from(guest.memory.buffer, at, new DataView(guest.memory.buffer).getUint32(at - 4, true)).toString("utf16le");
const env = {
  abort(message, file, line, column) {
    throw new Error(`${message ? string(message) : "abort"} at ${file ? string(file) : "?"}:${line}:${column}`);
  },
};
const fresh = async () => {
  const made = await WebAssembly.instantiate(readFileSync(module), { env, ichor_v1: { log() {} } });
  guest = made.instance.exports;
  guest._initialize();
};
const place = (frame) => {
  const at = guest.ichor_alloc(frame.length);
  Buffer.from(guest.memory.buffer).set(frame, at);
  return at;
};
const answer = (packed) => Buffer.from(guest.memory.buffer, Number(packed >> 32n), Number(packed & 0xffffffffn));

await fresh();
assert.equal(guest.ichor_alloc(-1), 0, "too much");
for (const name of ["empty", "transfer", "several", "edge"]) {
  const frame = bytes(`input-${name}.hex`);
  assert.equal(string(guest.say(place(frame), frame.length)), text(`input-${name}.txt`), `input-${name}`);
}
const several = bytes("input-several.hex");
guest.walk(place(several), several.length);
const transfer = bytes("input-transfer.hex");
for (const [at, byte] of [[0, 0], [4, 2], [6, 8], [11, 1], [16, 255], [20, 96], [24, 4], [35, 128]]) {
  const bad = Buffer.from(transfer);
  bad[at] = byte;
  assert.throws(() => guest.say(place(bad), bad.length), `byte ${at} of ${byte}`);
}
assert.equal(hex(answer(guest.empty())), text("output-empty.hex"), "output-empty");
await fresh(); // its text is put elsewhere, so it must be nowhere yet
const at = place(transfer);
const frame = answer(guest.some(at, transfer.length));
// The golden frame has its two references at 100 and 105 of a memory of its own.
const row = frame.length - 4 * 12;
for (const [i, word] of [["0017", 100], ["0042", 105]].entries()) {
  const address = frame.readUInt32LE(row + 12 * i + 4);
  assert.equal(Buffer.from(guest.memory.buffer, address, 4).toString(), word[0]);
  frame.writeUInt32LE(word[1], row + 12 * i + 4);
}
assert.equal(hex(frame), text("output-some.hex"), "output-some");
