// A guest of Ichor.

import { exec, reject, serve, Status, Version } from "./ichor/assembly";
import { MANIFEST } from "./manifest";
export { ichor_abi_v1, ichor_alloc, ichor_convert, ichor_describe } from "./ichor/assembly";

const GREET: u32 = 1; // the template of manifest.json
const BAD_NAME: u32 = 1; // the code of a reject

serve(MANIFEST, (version: Version): Status => {
  for (let i = 0; i < version.length; i++) {
    const item = version.item(i), name = item.payload.field("name");
    if (!name.isString) return reject(BAD_NAME, `item ${item.index}: name is not a string`);
    exec(GREET).value(name).text(version.text);
  }
  return Status.OK;
});
