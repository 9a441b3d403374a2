// The kit for guests written in AssemblyScript, without dependencies. A guest is a manifest
// and one function that turns the items of a version into statements:
//
//   import { serve, exec, reject, Status, Version } from "./ichor/assembly";
//   import { MANIFEST } from "./manifest";
//   export { ichor_abi_v1, ichor_describe, ichor_alloc, ichor_convert } from "./ichor/assembly";
//
//   serve(MANIFEST, (version: Version): Status => { ... });
//
// What is read from a version is not copied and makes no objects: a Value, an Item and a Text
// are places in the input frame. They hold until the function returns. Objects and strings
// that a guest makes itself are collected after each call.
//
// The contract is ABI.md of the project.

export { Item, Kind, Text, Value, Version } from "./input";
export { add, addByte, addString, build, exec, reject, skip, Statement, Status } from "./output";
export { ichor_abi_v1, ichor_alloc, ichor_convert, ichor_describe, Level, log, serve } from "./program";
