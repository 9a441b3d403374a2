// Reading of answers without loss: instants are more exact than a number of this language is, and a statemap is shown
// as it stands in the log, 1.0 as 1.0.

// parse reads an answer. Whole numbers that are too large for a number, as instants in nanoseconds are, become BigInt
// where the browser says how they were written. The text of a member statemap is kept beside it as statemap_text.
export function parse(text) {
	const value = JSON.parse(text, (_, at, context) =>
		typeof at === 'number' && !Number.isSafeInteger(at) && whole.test(context?.source) ? BigInt(context.source) : at);
	if (value && value.statemap !== undefined) value.statemap_text = member(text, 'statemap');
	return value;
}

const whole = /^-?\d+$/;
const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

// member returns the text of a member of the outermost object.
export function member(text, name) {
	let depth = 0;
	let begin = -1;
	let found = false;
	token.lastIndex = 0;
	for (let m = token.exec(text); m; m = token.exec(text)) {
		const is = m[0];
		if (begin >= 0 && depth === 1 && (is === ',' || is === '}')) return text.slice(begin, m.index).trim();
		if (depth === 1 && is === ':' && found) begin = token.lastIndex;
		found = depth === 1 && is === JSON.stringify(name);
		if (is === '{' || is === '[') depth++;
		if (is === '}' || is === ']') depth--;
	}
	return undefined;
}

// pretty indents a text of JSON and leaves each of its tokens as it is.
export function pretty(text) {
	let out = '';
	let depth = 0;
	let before = '';
	for (const is of text.match(token) || []) {
		if (is === '}' || is === ']') {
			depth--;
			if (before !== '{' && before !== '[') out += line(depth);
		} else if (before === '{' || before === '[' || before === ',') {
			out += line(depth);
		}
		out += is === ':' ? ': ' : is;
		if (is === '{' || is === '[') depth++;
		before = is;
	}
	return out;
}

const line = (depth) => '\n' + '  '.repeat(Math.max(0, depth));
