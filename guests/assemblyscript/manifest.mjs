// manifest FILE OUT writes a manifest as a module of AssemblyScript, which cannot read files.
import { readFileSync, writeFileSync } from "node:fs";

const [, , file, out] = process.argv;
const text = readFileSync(file, "utf8");
JSON.parse(text); // else it says where it is wrong
writeFileSync(out, `// Written by manifest.mjs.\nexport const MANIFEST = ${JSON.stringify(text)};\n`);
