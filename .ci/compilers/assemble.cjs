// Assembles the .wat files of directories and compares each with the .wasm beside it; with --write
// it writes them. A .wasm without a text differs too.
const fs = require("node:fs");
const path = require("node:path");

async function main(args) {
	const write = args[0] === "--write";
	const assembler = await require("wabt")();
	let wrong = 0, all = 0;
	const differs = (file, why) => { wrong++; console.error(`${file}: ${why}`); };
	for (const directory of write ? args.slice(1) : args) {
		const names = fs.readdirSync(directory);
		for (const name of names.filter(n => n.endsWith(".wasm") && !names.includes(n.replace(/wasm$/, "wat"))))
			differs(path.join(directory, name), "it has no text beside it");
		for (const name of names.filter(n => n.endsWith(".wat"))) {
			all++;
			const file = path.join(directory, name), binary = file.replace(/wat$/, "wasm");
			let made;
			try {
				// Not validated: some fixtures are wrong on purpose.
				made = Buffer.from(assembler.parseWat(file, fs.readFileSync(file, "utf8"), {}).toBinary({}).buffer);
			} catch (error) {
				differs(file, error.message);
				continue;
			}
			if (write) fs.writeFileSync(binary, made);
			else if (!fs.existsSync(binary) || !made.equals(fs.readFileSync(binary)))
				differs(binary, "it is not what its text gives: .ci/fixtures --write makes it anew");
		}
	}
	console.log(`${all} fixtures, ${wrong} of them wrong`);
	process.exitCode = wrong > 0 || all === 0 ? 1 : 0;
}

main(process.argv.slice(2));
